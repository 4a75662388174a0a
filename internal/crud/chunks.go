package crud

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/internal/traced"
)

// Found describes the structs of a slice that b returned.
func (b *Bound) Found(s table.Slice) table.Rows { return b.Rows.Rows(s) }

// cursors numbers the cursors of a program, so that one stream may run inside
// another in one transaction.
var cursors atomic.Uint64

// chunkSize is how many rows are read and completed at a time.
const chunkSize = 500

// Chunks reads the rows that match in chunks, lets fill complete each chunk on
// the same connection, and hands its rows to yield. An error ends the stream;
// it comes with a zero struct. If check returns an error, nothing is sent.
//
// A plain result cannot be left waiting on a connection while others are read
// on it. A cursor can, and needs a transaction.
func (b *Bound) Chunks(ctx context.Context, s *plan.Spec, check func(context.Context) error, fill func(ctx context.Context, on *Bound, rows table.Rows) error, yield func(unsafe.Pointer, error) bool) {
	left, seen := false, false
	err := func() (err error) {
		defer b.Enter(&ctx, "stream").End(&err) // also if the loop panics
		if err := check(ctx); err != nil {
			return err
		}
		return b.route(ctx, "stream", s, func(on *Bound) (final bool, err error) {
			err = on.chunks(ctx, s, fill, func(p unsafe.Pointer) bool {
				seen = true
				left = !yield(p, nil)
				return !left
			})
			return seen, err
		})
	}()
	if err != nil && !left { // a caller that left the loop has all it asked for
		yield(b.Rows.One(), err)
	}
}

func (b *Bound) chunks(ctx context.Context, s *plan.Spec, fill func(context.Context, *Bound, table.Rows) error, yield func(unsafe.Pointer) bool) (err error) {
	fail := func(err error) error { return b.fail(ctx, "stream", err) }
	if err := handle.Check(ctx, b.DB); err != nil {
		return fail(err)
	}
	call := limit.Of(ctx)
	r, err := limitRows(call, b.request(s.OrEmpty()), 0)
	if err != nil {
		return fail(err)
	}
	st, err := b.Table.Build(ctx, r)
	if err == nil {
		err = call.Operands(st.Args)
	}
	if err == nil && !s.OrEmpty().Empty() {
		err = call.Planned(b.DB, st.SQL)
	}
	if err != nil || s.OrEmpty().Empty() {
		return fail(b.Table.Named(err))
	}
	tx, err := begin(ctx, b.DB, s.OrEmpty())
	if err != nil {
		return fail(err)
	}
	done := false
	defer func() {
		if done {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		_ = tx.Rollback(ctx) // the error that led here is the one to report
	}()

	name := "smrt_" + strconv.FormatUint(cursors.Add(1), 10)
	// Statements with a name in them are not worth a place in pgx's cache, and
	// what a FETCH returns depends on the cursor.
	const once = pgx.QueryExecModeDescribeExec
	named := func(before, after string) string { // the same text for observers, whatever the number
		return traced.PassAs(before+name+after, before+"smrt"+after+" -- "+b.Table.Name, b.Table.Name, "stream")
	}
	declare := named("DECLARE ", " NO SCROLL CURSOR FOR "+st.SQL)
	if _, err := tx.Exec(ctx, declare, append([]any{once}, st.Args...)...); err != nil {
		return fail(b.Table.ExplainSpec(ctx, tx, err, s))
	}
	call.Streams()
	seen := 0
	on, fetch := b.With(tx), named("FETCH FORWARD "+strconv.Itoa(chunkSize)+" FROM ", "")
	var rows pgx.Rows
	for more := true; more; {
		next, err := tx.Query(ctx, fetch, once)
		if err != nil {
			return fail(err)
		}
		rows = call.Sized(rows, next)
		chunk := table.List{Of: &b.Rows.Structs}
		chunk.Start(chunkSize)
		if _, err := b.each(rows, b.Rows.Targets, chunk.Next); err != nil {
			return fail(err)
		}
		more = chunk.Len() == chunkSize
		found := b.Rows.Rows(chunk.Slice)
		seen += found.N
		call.Came(int64(found.N), int64(len(b.Rows.Targets)))
		if err := call.Rows(seen); err != nil {
			call.Sent()
			return fail(err)
		}
		if err := fill(ctx, on, found); err != nil {
			return err
		}
		for i := range found.N {
			if !yield(found.At(i)) {
				more = false
				break
			}
		}
	}
	if _, err := tx.Exec(ctx, named("CLOSE ", ""), once); err != nil {
		return fail(err)
	}
	done = true
	return fail(tx.Commit(ctx))
}

// endTimeout is how long ending a transaction may take when the call it
// belongs to has been given up.
const endTimeout = 5 * time.Second

// begin starts the transaction of a cursor: one snapshot for all rows, where
// that can be chosen and nothing is locked. Inside a transaction it is a
// savepoint.
func begin(ctx context.Context, db smrt.DB, s *plan.Spec) (pgx.Tx, error) {
	if db, ok := db.(interface {
		BeginTx(context.Context, pgx.TxOptions) (pgx.Tx, error)
	}); ok {
		var options pgx.TxOptions
		if s.Lock == plan.NoLock {
			options = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
		}
		return db.BeginTx(ctx, options)
	}
	if db, ok := db.(interface {
		Begin(context.Context) (pgx.Tx, error)
	}); ok {
		return db.Begin(ctx)
	}
	return nil, &smrt.QueryError{Reason: "a stream with loads needs a transaction of its own, which this handle cannot begin: use Find or Page"}
}
