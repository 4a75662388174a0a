package check

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// TenantCalls are random calls of tenants 1 and 2 at the same time.
type TenantCalls struct {
	Goroutines int // an even number: half of them are of each tenant
	Calls      int // of all together

	// Call makes a random call of a tenant. It returns its name, and whose the rows are
	// that it has seen.
	Call func(rnd *rand.Rand, tenant int64) (name string, owners []int64, err error)

	Expected []error  // of calls that did not find their rows, or met others
	Codes    []string // SQLSTATEs of such calls
	See      []string // names of calls that must have seen rows: else the test proves nothing
}

// Foreign makes the calls, and returns how many rows of the other tenant they have seen.
func (c TenantCalls) Foreign(t testing.TB) (foreign int) {
	t.Helper()
	rnd, saw := Random(t), map[string]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range c.Goroutines {
		own, tenant := rand.New(rand.NewPCG(rnd.Uint64(), rnd.Uint64())), int64(i%2)+1
		all.Go(func() {
			for range c.Calls / c.Goroutines {
				name, owners, err := c.Call(own, tenant)
				if err != nil {
					if !c.expects(err) {
						t.Errorf("%s: %v", name, err)
					}
					continue
				}
				mu.Lock()
				saw[name] += len(owners)
				for _, owner := range owners {
					if owner != tenant {
						foreign++
					}
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for _, name := range c.See {
		if saw[name] == 0 {
			t.Errorf("%s has seen no row: the test proves nothing", name)
		}
	}
	return foreign
}

func (c TenantCalls) expects(err error) bool {
	var pg interface{ SQLState() string }
	return slices.ContainsFunc(c.Expected, func(e error) bool { return errors.Is(err, e) }) ||
		errors.As(err, &pg) && slices.Contains(c.Codes, pg.SQLState())
}
