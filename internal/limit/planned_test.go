package limit_test

import (
	"fmt"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/kept"
	"github.com/smrt-go/smrt/internal/limit"
)

// TestPlanCostsAreBounded: however many texts there are, a number of them is kept. On a
// handle that begins no transactions nothing is refused.
func TestPlanCostsAreBounded(t *testing.T) {
	s := limit.New(limit.Enforce, [limit.Kinds]int64{limit.PlanCost: 1}, 0, &limit.Reporter{})
	ctx := t.Context()
	c := limit.Enter(&ctx, s, "find", "t")
	for i := range 1200 {
		check.NoError(t, c.Planned(leaver{}, fmt.Sprint("SELECT ", i)))
	}
	for _, r := range kept.All() {
		if r.Name == "plan costs" {
			check.Same(t, "entries", r.Entries, r.Capacity)
			check.Same(t, "evictions", r.Evictions >= 200, true)
			return
		}
	}
	t.Error("plan costs are not reported")
}
