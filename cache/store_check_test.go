package cache_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
)

// TestChecks: what a store cannot be asked is refused by one option, and what it can
// just be asked is not.
func TestChecks(t *testing.T) {
	t.Parallel()
	most := strings.Repeat("n", 512)
	many := func(n int) []string { return slices.Repeat([]string{most}, n) }
	position := smrt.Position{System: 1, LSN: 1}
	for _, c := range []struct {
		option string // empty: it is taken
		err    error
	}{
		{"", cache.Ask{Keys: many(1_000), Tables: many(100), Generations: many(100), Lease: time.Hour}.Check()},
		{"", cache.Ask{Keys: many(1), Lease: time.Millisecond}.Check()},
		{"Ask.Keys", cache.Ask{}.Check()},
		{"Ask.Keys", cache.Ask{Keys: many(1_001)}.Check()},
		{"Ask.Keys[1]", cache.Ask{Keys: []string{"a", ""}}.Check()},
		{"Ask.Keys[0]", cache.Ask{Keys: []string{most + "n"}}.Check()},
		{"Ask.Tables", cache.Ask{Keys: many(1), Tables: many(101)}.Check()},
		{"Ask.Generations", cache.Ask{Keys: many(1), Generations: many(101)}.Check()},
		{"Ask.Lease", cache.Ask{Keys: many(1), Lease: time.Microsecond}.Check()},
		{"Ask.Lease", cache.Ask{Keys: many(1), Lease: time.Hour + 1}.Check()},

		{"", cache.Fill{Key: most}.Check()},
		{"", cache.Fill{Key: most, TTL: 1}.Check()},
		{"Fill.Key[0]", cache.Fill{}.Check()},
		{"Fill.TTL", cache.Fill{Key: "a", TTL: -1}.Check()},

		{"", cache.Change{}.Check()},
		{"", cache.Change{Tables: many(100), Generations: many(100), Keys: many(10_000)}.Check()},
		{"Change.Tables", cache.Change{Tables: many(101)}.Check()},
		{"Change.Generations", cache.Change{Generations: many(101)}.Check()},
		{"Change.Keys", cache.Change{Keys: many(10_001)}.Check()},

		{"", cache.Block{ID: 1, Keys: many(10_000), TTL: 24 * time.Hour}.Check()},
		{"Block.ID", cache.Block{TTL: time.Second}.Check()},
		{"Block.TTL", cache.Block{ID: 1}.Check()},
		{"Block.TTL", cache.Block{ID: 1, TTL: 24*time.Hour + 1}.Check()},
		{"Block.Keys[0]", cache.Block{ID: 1, TTL: time.Second, Keys: []string{""}}.Check()},

		{"", cache.CheckFloor("a", position)},
		{"position", cache.CheckFloor("a", smrt.Position{})},
		{"table[0]", cache.CheckFloor("", position)},
	} {
		var bad *smrt.OptionsError
		if got := errors.As(c.err, &bad); got != (c.option != "") || got && bad.Option != c.option {
			t.Errorf("%q: %v", c.option, c.err)
		}
	}
}

// TestStates: each has a name.
func TestStates(t *testing.T) {
	t.Parallel()
	if got := cache.Blocked.String() + cache.State(77).String(); got != "BlockedState(77)" {
		t.Error(got)
	}
}
