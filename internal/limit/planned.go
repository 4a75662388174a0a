package limit

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/kept"
	"github.com/smrt-go/smrt/internal/traced"
)

// Estimate asks the server in tx what a statement costs, whatever its arguments are, and
// fails if that takes longer than most.
type Estimate func(ctx context.Context, tx pgx.Tx, sql string, most time.Duration) (float64, error)

// Planned refuses a statement that is about to be sent on db, if the server estimates
// its plan to cost too much. The estimate is for whatever arguments, asked once for each
// text and kept for a while. Where there is none, nothing is refused.
func (c *Call) Planned(db smrt.DB, sql string) (err error) {
	if c == nil || !c.limits(PlanCost) {
		return nil
	}
	cost, known := int64(0), false
	c.calls(func() {
		cost, known = planCosts.find(handle.WithoutCounting(&unlimited{c.Context}), db, sql, c.set.estimate)
	})
	if known {
		err = c.checkOf(traced.QueryName(sql), PlanCost, cost)
	}
	return err
}

// Plans is Planned of a statement by hand.
func (c *Call) Plans(db smrt.DB, sql string) *Call {
	if c != nil && c.refused == nil {
		c.refused = c.Planned(db, sql)
	}
	return c
}

const (
	maxPlanCosts   = 1000
	maxPlannedText = 32 << 10

	// planTime is how long the server may plan, waiting for locks included.
	planTime = time.Second

	// A cost changes with indexes and with the size of tables, so that it is asked for
	// again. What the server could not say may soon be known.
	planCostAge   = 10 * time.Minute
	noPlanCostAge = time.Minute
)

// costs are what servers estimate statements to cost.
type costs struct {
	mu sync.Mutex
	of map[planned]*planCost

	hits, misses, evictions uint64
}

type planned struct{ database, sql string }

// planCost is an answer, or one that is waited for.
type planCost struct {
	answered chan struct{} // closed then
	cost     int64
	known    bool
	until    time.Time // zero: whoever asked got none, and it counts for no other
}

var planCosts = newCosts()

func newCosts() *costs {
	p := &costs{of: map[planned]*planCost{}}
	kept.Add("plan costs", p, (*costs).report, (*costs).shrink)
	return p
}

func (p *costs) report() kept.Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := kept.Report{Entries: len(p.of), Capacity: maxPlanCosts, Hits: p.hits, Misses: p.misses, Evictions: p.evictions}
	for of := range p.of {
		r.Bytes += int64(len(of.sql)) + sizeOfCost
	}
	return r
}

// sizeOfCost is about what an entry takes beside its text.
const sizeOfCost = 256

func (p *costs) shrink(to int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leave(to)
}

// leave drops all but so many answers, whichever.
func (p *costs) leave(n int) {
	for of := range p.of {
		if len(p.of) <= n {
			return
		}
		delete(p.of, of)
		p.evictions++
	}
}

// find returns what a statement costs, if the server says so. Of those who call it at the
// same time one asks. No lock is held meanwhile, and no connection by those who wait.
func (p *costs) find(ctx context.Context, db smrt.DB, sql string, by Estimate) (int64, bool) {
	if len(sql) > maxPlannedText {
		return 0, false
	}
	of := planned{handle.Database(db), sql}
	for ctx.Err() == nil {
		c, asks := p.take(of)
		if asks {
			c.ask(ctx, db, sql, by)
			return c.cost, c.known
		}
		select {
		case <-c.answered:
		default:
			// Whoever asks may wait for the connection that this caller has.
			if !handle.IsPool(db) || handle.ScopeOf(ctx) != nil {
				own := planCost{answered: make(chan struct{})}
				own.ask(ctx, db, sql, by)
				return own.cost, own.known
			}
			select {
			case <-c.answered:
			case <-ctx.Done():
			}
		}
		if !c.until.IsZero() {
			return c.cost, c.known
		}
	}
	return 0, false
}

// take returns the answer for a statement, and reports whether the caller has to ask for it.
func (p *costs) take(of planned) (c *planCost, asks bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c = p.of[of]; c.counts() {
		p.hits++
		return c, false
	}
	p.misses++
	p.leave(maxPlanCosts - 1)
	c = &planCost{answered: make(chan struct{})}
	p.of[of] = c
	return c, true
}

// counts reports whether there is an answer that is not too old, or will be one.
func (c *planCost) counts() bool {
	if c == nil {
		return false
	}
	select {
	case <-c.answered:
		return time.Now().Before(c.until)
	default:
		return true
	}
}

// ask asks the server.
func (c *planCost) ask(ctx context.Context, db smrt.DB, sql string, by Estimate) {
	defer close(c.answered) // also if a hook of the pool panics
	cost, err := costOf(ctx, db, sql, by)
	switch {
	case err == nil:
		c.cost, c.known, c.until = int64(min(math.Ceil(cost), maxPrice)), true, time.Now().Add(planCostAge)
	case ctx.Err() == nil && !errors.Is(err, errNotAsked):
		c.until = time.Now().Add(noPlanCostAge)
	}
}

// errNotAsked means that the server was not asked on this handle now.
var errNotAsked = errors.New("the handle begins no transaction")

// costOf asks in a transaction of its own, or below a savepoint of that which db is. It
// ends before the statement is sent, so that a pool of one connection has it again.
func costOf(ctx context.Context, db smrt.DB, sql string, by Estimate) (cost float64, err error) {
	on, ok := db.(interface {
		Begin(ctx context.Context) (pgx.Tx, error)
	})
	if !ok || by == nil {
		return 0, errNotAsked
	}
	tx, err := on.Begin(ctx)
	if err != nil {
		return 0, errors.Join(errNotAsked, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), planTime)
		defer cancel()
		if failed := tx.Rollback(ctx); failed != nil {
			err = errors.Join(errNotAsked, err, failed)
		}
	}()
	return by(ctx, tx, sql, planTime)
}
