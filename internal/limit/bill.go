package limit

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/smrt-go/smrt"
)

// Rate is what the calls of a key may cost in some time, see guard.Rate.
type Rate struct {
	// Take takes points out of the bucket of the key of ctx, which may so owe debt
	// points. What it returns has an error if there are less.
	Take func(ctx context.Context, points, debt int64) Taken

	// Give puts points back, or takes more if they are negative. It does not fail.
	Give func(ctx context.Context, from Taken, points int64)
}

// Taken is what became of points that were to be taken.
type Taken struct {
	Key   string
	Local bool            // the process has them by itself, whoever else shares the rate
	Owing bool            // there were less, and they were taken all the same
	Err   *smrt.RateError // what there was, if that was less
}

// rated is a rate with the mode of the limits that it is declared in.
type rated struct {
	*Rate
	mode Mode
}

// bill is what a call has taken from rates, and what it has cost so far.
type bill struct {
	asked  int64
	factor int64 // of values that come
	points atomic.Int64
	values atomic.Int64
	spared atomic.Bool // it was refused before anything was sent
	paid   []payment
	under  unlimited  // what rates are asked under
	first  [1]payment // of most calls the only one
}

type payment struct {
	rate *Rate
	from Taken
}

// Priced reports whether somebody wants to know what the operation asks for.
func (c *Call) Priced() bool {
	return c != nil && c.refused == nil && (len(c.set.rates) > 0 || c.limits(Complexity))
}

// Ask refuses the operation if it asks for too much, by itself or with others.
func (c *Call) Ask(p Price) {
	if c.refused = c.check(Complexity, p.Total()); c.refused == nil {
		c.charge(p)
	}
}

// Charge is Ask for n statements by hand, of which nothing else is known.
func (c *Call) Charge(n int) *Call {
	if c != nil && c.refused == nil {
		c.charge(Price{Points: int64(n), Factor: 1})
	}
	return c
}

// charge takes what the operation asks for from all rates that hold, or from none.
func (c *Call) charge(p Price) {
	asked := p.Total()
	if len(c.set.rates) == 0 || asked == 0 {
		return
	}
	b := &bill{asked: asked, factor: p.Factor, under: unlimited{c.Context}}
	b.points.Store(p.Points - p.Later)
	b.values.Store(p.Fixed)
	b.paid = b.first[:0]
	b.spared.Store(true) // as long as it may be refused
	c.bill = b
	debt := int64(0)
	if a := c.allow.of(Debt); a != nil {
		debt = max(a.Most, 0)
	}
	for _, r := range c.set.rates {
		var taken Taken
		c.calls(func() { taken = r.Take(&b.under, asked, debt) })
		if taken.Err == nil || taken.Owing {
			b.paid = append(b.paid, payment{r.Rate, taken})
		}
		if taken.Err == nil {
			continue
		}
		e := c.beyond(Debt, max(taken.Err.Available, 0), asked)
		e.Err = taken.Err
		ofRate := func(to *Reporter) bool { return to.rate == r.Rate }
		if taken.Owing {
			c.event(Allowed, Debt, e, ofRate)
			continue
		}
		if r.mode == Report {
			c.event(Reported, Debt, e, ofRate)
			continue
		}
		c.settle()
		c.event(Refused, Debt, e, ofRate)
		c.refused = c.wrap(e)
		return
	}
	b.spared.Store(false)
}

// Spend counts points that a part of the operation costs, which is sent now.
func (c *Call) Spend(points int64) {
	if c != nil && c.bill != nil {
		c.bill.points.Add(points)
	}
}

// Came counts values of rows that are not read by way of Result or Load.
func (c *Call) Came(rows, columns int64) {
	if c != nil && c.bill != nil {
		c.bill.values.Add(Product(Product(rows, columns), c.bill.factor))
	}
}

// Loaded counts values of loads that came with their parents.
func (c *Call) Loaded(rows, columns int64) {
	if c != nil && c.bill != nil {
		c.bill.values.Add(Product(rows, columns))
	}
}

// Sent says that something was sent before the operation was refused.
func (c *Call) Sent() {
	if c != nil {
		c.spare(false)
	}
}

// spare says whether the operation was refused before anything was sent.
func (c *Call) spare(is bool) {
	if c.bill != nil {
		c.bill.spared.Store(is)
	}
}

// settle gives back what was taken and not used, or takes what was used beyond it.
func (c *Call) settle() {
	b := c.bill
	if b == nil {
		return
	}
	c.bill = nil
	used := int64(0)
	if !b.spared.Load() {
		used = Sum(b.points.Load(), b.values.Load()/ValuesOfPoint)
	}
	if used == b.asked {
		return
	}
	for _, p := range b.paid {
		p.rate.Give(&b.under, p.from, b.asked-used)
	}
}

// bothRates returns the rates of both, each once.
func bothRates(a, b []rated) []rated {
	if len(b) == 0 {
		return a
	}
	both := slices.Clone(a)
	for _, r := range b {
		if i := slices.IndexFunc(both, func(o rated) bool { return o.Rate == r.Rate }); i < 0 {
			both = append(both, r)
		} else {
			both[i].mode = min(both[i].mode, r.mode)
		}
	}
	return both
}
