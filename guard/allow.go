package guard

import (
	"context"
	"time"

	"github.com/smrt-go/smrt/internal/limit"
)

// ofRequests counts what is logged of limits of requests, each of which declares its own.
var ofRequests throttle

// With returns a context under which l holds too, for all that is sent under it on
// whatever handle: of a request, of a kind of client. The request begins here, so that
// its statements are counted, unless ctx is of one already; l may be zero. With panics if
// l cannot be, see [Limits.Check].
func With(ctx context.Context, l Limits) context.Context {
	s := l.mustSet(&ofRequests)
	if ctx == nil {
		return ctx
	}
	return limit.WithSet(ctx, s)
}

// Allowance is how far calls may go beyond a limit, see [Allow].
type Allowance struct {
	kind limit.Kind
	most int64
}

// Unbounded allows writes of every row.
var Unbounded = Allowance{limit.Unbounded, limit.Every}

// Rows allows reads of n rows.
func Rows(n int) Allowance { return Allowance{limit.Rows, int64(n)} }

// Loaded allows loads of n rows.
func Loaded(n int) Allowance { return Allowance{limit.Loaded, int64(n)} }

// Depth allows loads of n levels.
func Depth(n int) Allowance { return Allowance{limit.Depth, int64(n)} }

// List allows lists of n values.
func List(n int) Allowance { return Allowance{limit.List, int64(n)} }

// Text allows texts of n bytes in conditions.
func Text(n int) Allowance { return Allowance{limit.Text, int64(n)} }

// Affected allows writes of n rows.
func Affected(n int) Allowance { return Allowance{limit.Affected, int64(n)} }

// Bytes allows results of n bytes.
func Bytes(n int) Allowance { return Allowance{limit.Bytes, int64(n)} }

// Statements allows requests of n statements.
func Statements(n int) Allowance { return Allowance{limit.Statements, int64(n)} }

// Complexity allows calls of n points.
func Complexity(n int) Allowance { return Allowance{limit.Complexity, int64(n)} }

// PlanCost allows statements whose plans cost n.
func PlanCost(n int) Allowance { return Allowance{limit.PlanCost, int64(n)} }

// Debt allows calls that take n points more from a rate than their key has. It has to
// wait until they have come back before it has points again.
func Debt(n int) Allowance { return Allowance{limit.Debt, int64(n)} }

// Time allows calls that take d.
func Time(d time.Duration) Allowance { return Allowance{limit.Time, int64(d)} }

// Allow returns a context under which calls may go beyond a limit, as far as a says.
// It is the only way to do so:
//
//	ctx = guard.Allow(ctx, guard.Rows(50_000), "nightly export")
//
// The reason is logged with each call that makes use of it. Without one, nothing is
// allowed. What is not beyond a limit is not affected, and an allowance below a limit
// does not lower it.
func Allow(ctx context.Context, a Allowance, reason string) context.Context {
	if ctx == nil || reason == "" {
		return ctx
	}
	return limit.WithAllowance(ctx, limit.Allowance{Kind: a.kind, Most: a.most, Reason: reason})
}
