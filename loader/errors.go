package loader

import (
	"fmt"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/batch"
)

// MissingError reports the keys of a LoadMany that have no value. It matches
// smrt.ErrNotFound.
type MissingError struct {
	Indexes []int // in the slice of keys, ascending
}

// Error says how many keys have no value. It never contains a key.
func (e *MissingError) Error() string {
	return fmt.Sprintf("%d of the keys have no value, the first is key %d: %v", len(e.Indexes), e.Indexes[0], smrt.ErrNotFound)
}

// Unwrap returns smrt.ErrNotFound.
func (e *MissingError) Unwrap() error { return smrt.ErrNotFound }

// PanicError is what the callers of a batch panic with if the function
// panicked. A batch runs on a goroutine of its own, so the error keeps the
// stack of that goroutine. A call on its caller's goroutine panics with the
// function's own value.
type PanicError = batch.PanicError
