package smrt_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
)

// TestLimitErrors: the error of a limit says what it is, what was asked for, and what to
// do, and answers to its kind and to ErrLimit.
func TestLimitErrors(t *testing.T) {
	rate := &smrt.RateError{Rate: "api", Cost: 30, Available: 20, Burst: 500, Points: 100, Per: time.Second, RetryAfter: 100 * time.Millisecond}
	never := &smrt.RateError{Rate: "api", Cost: 600, Available: 500, Burst: 500, Points: 100, Per: time.Second}
	for _, c := range []struct {
		err  smrt.LimitError
		is   []error
		text string
	}{
		{
			smrt.LimitError{Limit: "MaxLimit", Max: 5, Actual: 6, Way: "read pages", Err: smrt.ErrRowLimit},
			[]error{smrt.ErrRowLimit},
			"the read has more rows than are allowed: MaxLimit is 5, this is 6: read pages",
		},
		{
			smrt.LimitError{Limit: "Timeout", Max: int64(time.Second), Actual: int64(1200 * time.Millisecond), Way: "make it cheaper", Err: smrt.ErrTimeLimit},
			[]error{smrt.ErrTimeLimit, context.DeadlineExceeded},
			"the call takes longer than is allowed: Timeout is 1s, this is 1.2s: make it cheaper",
		},
		{
			smrt.LimitError{Limit: "BoundedWrites", Max: 1, Actual: 2, Way: "add a condition", Err: smrt.ErrUnboundedWrite},
			[]error{smrt.ErrUnboundedWrite},
			"the predicate matches every row, which BoundedWrites forbids: add a condition",
		},
		{
			smrt.LimitError{Limit: "Rate", Max: 20, Actual: 30, Way: "or wait", Err: rate},
			[]error{smrt.ErrRateLimit},
			"the rate is used up: rate api has 20 points left and gives back 100 in 1s, this costs 30: try again in 100ms, ask for less, or wait",
		},
		{
			smrt.LimitError{Limit: "Rate", Max: 500, Actual: 600, Way: "or wait", Err: never},
			[]error{smrt.ErrRateLimit},
			"the rate is used up: rate api holds 500 points at most, this costs 600: ask for less, or wait",
		},
	} {
		err := fmt.Errorf("find orders: %w", &c.err)
		check.Error(t, c.err.Limit, err, append(c.is, smrt.ErrLimit)...)
		check.Same(t, c.err.Limit, errors.Unwrap(err).Error(), c.text)
	}
	var of *smrt.RateError
	check.Same(t, "the RateError", errors.As(&smrt.LimitError{Err: rate}, &of), true)
	check.Same(t, "what is left", of.Available, 20)
}
