package limit

import (
	"context"
	"slices"

	"github.com/smrt-go/smrt"
)

// Kind is what is limited.
type Kind uint8

// What is limited, in this unit.
const (
	Rows       Kind = iota // of a read
	Loaded                 // rows of one statement of a load
	Depth                  // of loads
	List                   // values
	Text                   // bytes
	Affected               // rows of a write
	Unbounded              // 1: a write of every row
	Time                   // nanoseconds
	Bytes                  // of a result
	Statements             // of a request
	Complexity             // points
	Debt                   // points of a rate
	PlanCost               // in the server's unit
	Kinds
)

// kinds says how each is called, and what to do instead.
var kinds = [Kinds]struct {
	name string
	err  error
	way  string
}{
	Rows:       {"MaxLimit", smrt.ErrRowLimit, "set a Limit, read pages, or call guard.Allow(ctx, guard.Rows(n), reason)"},
	Loaded:     {"MaxLoaded", smrt.ErrLoadLimit, "limit the relation or the parents, or call guard.Allow(ctx, guard.Loaded(n), reason)"},
	Depth:      {"MaxDepth", smrt.ErrDepthLimit, "load less in one call, or call guard.Allow(ctx, guard.Depth(n), reason)"},
	List:       {"MaxList", smrt.ErrListLimit, "split the list, or call guard.Allow(ctx, guard.List(n), reason)"},
	Text:       {"MaxText", smrt.ErrTextLimit, "shorten the text, or call guard.Allow(ctx, guard.Text(n), reason)"},
	Affected:   {"MaxAffected", smrt.ErrWriteLimit, "narrow the condition, write in parts, or call guard.Allow(ctx, guard.Affected(n), reason)"},
	Unbounded:  {"BoundedWrites", smrt.ErrUnboundedWrite, "add a condition, or call guard.Allow(ctx, guard.Unbounded, reason)"},
	Bytes:      {"MaxBytes", smrt.ErrByteLimit, "select fewer columns or rows, or call guard.Allow(ctx, guard.Bytes(n), reason)"},
	Statements: {"MaxStatements", smrt.ErrStatementLimit, "load rows together, or call guard.Allow(ctx, guard.Statements(n), reason)"},
	Complexity: {"MaxComplexity", smrt.ErrComplexityLimit, "set a Limit, load less, add a condition that an index serves, or call guard.Allow(ctx, guard.Complexity(n), reason)"},
	PlanCost:   {"MaxPlanCost", smrt.ErrPlanLimit, "add a condition that an index serves, or an index, see its plan by smrt explain, or call guard.Allow(ctx, guard.PlanCost(n), reason); it is an estimate for whatever arguments"},
	Debt:       {"Rate", smrt.ErrRateLimit, "or call guard.Allow(ctx, guard.Debt(n), reason)"},
	Time:       {"Timeout", smrt.ErrTimeLimit, "make it cheaper, or call guard.Allow(ctx, guard.Time(d), reason)"},
}

// String returns the name of the field of guard.Limits.
func (k Kind) String() string { return kinds[k].name }

// Mode is what becomes of a call beyond a limit.
type Mode uint8

// The modes of a limit that is in a Set: one that is off is in none.
const (
	Enforce Mode = iota
	Report
	modes
)

// Outcome is what became of a call beyond a limit.
type Outcome uint8

// The outcomes.
const (
	Refused Outcome = iota
	Reported
	Allowed
)

// Event is a call beyond a limit.
type Event struct {
	Outcome   Outcome
	Operation string // such as "find"; empty: SQL by hand
	Table     string // empty: SQL by hand
	Reason    string // why it was allowed
	Error     *smrt.LimitError
}

// Reporter is told of events. Two sets with the same one tell it once.
type Reporter struct {
	Tell func(context.Context, Event)

	most [Kinds]int64 // of the set that it was made for
	rate *Rate
}

// concerns reports whether a call that asks for actual is beyond what the set of r says.
func (r *Reporter) concerns(k Kind, actual int64) bool { return r.most[k] > 0 && actual > r.most[k] }

// Set is what was declared, which is not changed once it is made.
type Set struct {
	max       [modes][Kinds]int64 // 0: no limit
	page      int64               // rows of a page that does not say how many; 0: it must
	cut       int64               // rows of a list that does not say how many; 0: all
	rates     []rated
	reporters []*Reporter
	estimate  Estimate   // of what statements cost; nil: there is none
	running   *deadlines // of calls under this Set, and those made of it
}

// New returns a set, in which 0 is no limit.
func New(m Mode, most [Kinds]int64, page int64, r *Reporter) *Set {
	s := &Set{page: page, reporters: []*Reporter{r}, running: &deadlines{}}
	if s.max[m] = most; r != nil {
		r.most = most
	}
	if m == Enforce {
		s.cut = page
	}
	return s
}

// Rated adds a rate to a set that was just made with mode m.
func (s *Set) Rated(m Mode, r *Rate) *Set {
	s.rates = append(s.rates, rated{r, m})
	s.reporters[0].rate = r
	return s
}

// Estimated says what estimates costs for a set that was just made.
func (s *Set) Estimated(by Estimate) *Set {
	s.estimate = by
	return s
}

// With returns what holds where s and o do. Either may be nil.
func (s *Set) With(o *Set) *Set {
	if s == nil || o == nil || s == o {
		if s == nil {
			return o
		}
		return s
	}
	both := &Set{rates: bothRates(s.rates, o.rates), page: least(s.page, o.page), cut: least(s.cut, o.cut), reporters: slices.Clone(s.reporters), running: s.running}
	if both.estimate = s.estimate; both.estimate == nil {
		both.estimate = o.estimate
	}
	for m := range s.max {
		for k := range s.max[m] {
			both.max[m][k] = least(s.max[m][k], o.max[m][k])
		}
	}
	for _, r := range o.reporters {
		if !slices.Contains(both.reporters, r) {
			both.reporters = append(both.reporters, r)
		}
	}
	return both
}

// beyond returns those limits of s that o does not hold too, or nil.
func (s *Set) beyond(o *Set) *Set {
	if s == nil || s == o {
		return nil
	}
	rest, some := Set{reporters: s.reporters, estimate: s.estimate, running: s.running}, false
	for m := range s.max {
		for k, most := range s.max[m] {
			if most > 0 && least(most, o.max[m][k]) != o.max[m][k] {
				rest.max[m][k], some = most, true
			}
		}
	}
	for _, r := range s.rates {
		if !slices.ContainsFunc(o.rates, func(h rated) bool { return h.Rate == r.Rate && h.mode <= r.mode }) {
			rest.rates, some = append(rest.rates, r), true
		}
	}
	if !some {
		return nil
	}
	return &rest
}

// least returns the stricter of two limits.
func least(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Allowance lets calls under a context go beyond a limit.
type Allowance struct {
	Kind   Kind
	Most   int64
	Reason string
	Next   *Allowance
}

// of returns the widest allowance of a kind, nil for none.
func (a *Allowance) of(k Kind) (widest *Allowance) {
	for ; a != nil; a = a.Next {
		if a.Kind == k && (widest == nil || a.Most > widest.Most) {
			widest = a
		}
	}
	return widest
}
