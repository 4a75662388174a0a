package cache

import (
	"fmt"
	"math"
	"time"

	"github.com/smrt-go/smrt"
)

// What a [Store] is asked at most.
const (
	maxName   = 512
	maxKeys   = 1_000
	maxNames  = 100
	maxGone   = 10_000
	maxLease  = time.Hour
	maxBlock  = 24 * time.Hour
	maxEntry  = math.MaxInt64 / time.Millisecond * time.Millisecond
	leastTime = time.Millisecond
)

// names checks a list of names.
func names(option string, list []string, least, most int) error {
	if len(list) < least || len(list) > most {
		return &smrt.OptionsError{Option: option, Reason: fmt.Sprintf("must have %d to %d names, has %d: ask more than once", least, most, len(list))}
	}
	for i, name := range list {
		if name == "" || len(name) > maxName {
			return &smrt.OptionsError{Option: fmt.Sprintf("%s[%d]", option, i), Reason: fmt.Sprintf("must have 1 to %d bytes, has %d: use a hash of it", maxName, len(name))}
		}
	}
	return nil
}

// duration checks a time.
func duration(option string, d, least, most time.Duration) error {
	if d < least || d > most {
		return &smrt.OptionsError{Option: option, Reason: fmt.Sprintf("must be %v to %v, is %v", least, most, d)}
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Check returns a *[smrt.OptionsError] if the question cannot be asked. Stores call it.
func (a Ask) Check() error {
	err := first(names("Ask.Keys", a.Keys, 1, maxKeys), names("Ask.Tables", a.Tables, 0, maxNames), names("Ask.Generations", a.Generations, 0, maxNames))
	if err == nil && a.Lease != 0 {
		err = duration("Ask.Lease", a.Lease, leastTime, maxLease)
	}
	return err
}

// Check returns a *[smrt.OptionsError] if the entry cannot be put. Stores call it.
func (f Fill) Check() error {
	err := names("Fill.Key", []string{f.Key}, 1, 1)
	if err == nil && f.TTL != 0 {
		err = duration("Fill.TTL", f.TTL, 1, maxEntry)
	}
	return err
}

// Check returns a *[smrt.OptionsError] if the change cannot be made. Stores call it.
func (c Change) Check() error {
	return first(names("Change.Tables", c.Tables, 0, maxNames), names("Change.Generations", c.Generations, 0, maxNames), names("Change.Keys", c.Keys, 0, maxGone))
}

// Check returns a *[smrt.OptionsError] if there can be no such block. Stores call it.
func (b Block) Check() error {
	if b.ID == 0 {
		return &smrt.OptionsError{Option: "Block.ID", Reason: "must be a random number other than 0"}
	}
	return first(names("Block.Keys", b.Keys, 0, maxGone), names("Block.Generations", b.Generations, 0, maxNames), duration("Block.TTL", b.TTL, leastTime, maxBlock))
}

// CheckFloor returns a *[smrt.OptionsError] if there can be no such floor. Stores call it.
func CheckFloor(table string, position smrt.Position) error {
	if position.IsZero() {
		return &smrt.OptionsError{Option: "position", Reason: "must not be zero: ask the primary for it"}
	}
	return names("table", []string{table}, 1, 1)
}
