package plan_test

import (
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

type mug struct {
	ID    int64
	Price int64
}

// TestLostArguments gives the renderer another number of arguments than it
// walks over: an error must come in place of a statement whose arguments are
// mixed up.
func TestLostArguments(t *testing.T) {
	mugs := query.NewTable("mugs", func(m *mug) *int64 { return &m.ID })
	price := query.Col(func(m *mug) *int64 { return &m.Price })
	for args, want := range map[int]bool{1: true, 2: true, 3: false, 4: true} {
		r := plan.Request{Verb: plan.Select, List: "id", Spec: query.Where(price.Between(1, 2)).Limit(3).Plan()}
		err := plan.Render(mugs.Plan(), &r, args)
		check.Same(t, "an error", err != nil && strings.Contains(err.Error(), "lost count of arguments"), want)
		check.Same(t, "no other error", err == nil, !want)
	}
}
