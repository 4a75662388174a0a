package unit

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/txn"
)

// run is flush in a transaction that txn begins, or has begun. What it does there is
// join.
func (u *work) run(ctx context.Context, db smrt.DB, join func(context.Context, pgx.Tx) (Summary, error), options []txn.Options) (Summary, error) {
	var sum Summary
	begin, ok := db.(txn.Beginner)
	if !ok {
		return sum, &smrt.OptionsError{Option: "db", Reason: "cannot begin transactions: pass a handle that can"}
	}
	result, err := txn.RunResult(ctx, begin, func(ctx context.Context, tx pgx.Tx) (err error) {
		sum, err = join(ctx, tx)
		return err
	}, options...)
	if err != nil {
		return Summary{}, err
	}
	sum.Result = result
	return sum, nil
}

// alone is flush in a transaction of its own, in one round trip. txn.RunResult
// retries it as its options say. A few more tries are made here, which txn knows
// nothing of:
//
//   - The server refuses to prepare the statements that ask for the position.
//     Nothing was sent, and the second try does not ask.
//   - The error is one that outdated foreign keys can cause, and they were known
//     from before. They were forgotten, and the next try looks them up. If they
//     are the same, it returns the first error and sends nothing.
//   - The error is one that an outdated catalog or a prepared statement can cause.
//     Both are forgotten. The tables may be altered again meanwhile, so there are
//     two such tries, unless the same error comes again.
func (u *work) alone(ctx context.Context, db smrt.DB, o txn.Options) (sum Summary, err error) {
	if cached.Any() {
		ops := slices.Clone(u.ops)
		defer func() { tellAlone(ctx, db, ops, err) }()
	}
	r := &runner{u: u, db: db}
	attempt := func() (err error) {
		r.result, err = txn.RunResult(ctx, r, func(ctx context.Context, _ pgx.Tx) error { return r.tx.ready(ctx) }, o)
		return err
	}
	err = attempt()
	if err != nil && r.unasked() {
		r.silent = true
		err = attempt()
	}
	if err != nil && r.last != nil && r.last.out.cached && pgerr.IsKeyDrift(r.last.out.err) {
		r.first, r.known = err, r.last.out.keys
		err = attempt()
	}
	for again := 0; again < pgerr.MaxReruns && err != nil && pgerr.IsOutdated(err); again++ {
		last := err
		u.forgetCatalogs(db, err)
		r.stale, r.first = true, nil
		if err = attempt(); err != nil && pgerr.IsSame(last, err) {
			break
		}
	}
	if err != nil {
		return Summary{}, err
	}
	return r.finish()
}
