package cache

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/sqltext"
)

// On returns a handle for statements of sqlc's and SQL by hand. A comment in a
// statement says which tables it writes:
//
//	UPDATE products /* smrt:writes products */ SET price_cents = price_cents + 1;
//
// All rows of these tables are void when the statement has ended, as after [Wrote], and
// in a transaction when that is committed. So are the rows that CopyFrom may create.
// sqlc keeps a comment that stands inside of a line, and removes a line of its own,
// which SQL by hand may have: -- smrt:writes products, inventory.
//
//	queries := shopdb.New(cache.On(pool))
//
// A comment that does not name tables is a *smrt.QueryError before anything is sent. A
// name that is no table of a cache says nothing. Repositories need no such handle, and
// are not served on one.
func On(db smrt.DB) smrt.DB { return &onDB{db} }

// Tx is [On] for a transaction, and returns one, for the WithTx of sqlc. What is sent on
// its Conn is not looked at.
func Tx(tx pgx.Tx) pgx.Tx { return &onTx{tx, onDB{tx}} }

// onDB is a handle that tells caches what statements say that they write. Each statement
// is searched for the marker, which takes 24 ns of one with 1,000 bytes, and split into
// tokens if it is there: a statement that writes takes the server far longer, so nothing
// is kept by text.
type onDB struct{ db smrt.DB }

// declared appends what a statement says. Names are those of tables on any database of
// the process, as in all that caches are told, so that a schema before one says nothing.
func declared(changes []cached.Change, sql string) ([]cached.Change, error) {
	names, err := sqltext.Declared(sql)
	if err != nil {
		return nil, &smrt.QueryError{Reason: err.Error()}
	}
	for _, name := range names {
		changes = append(changes, cached.Change{Table: name, Does: anyEvent})
	}
	return changes, nil
}

// Exec tells caches when the statement has ended. One that was refused is told too,
// because an error does not always say that nothing was written.
func (h *onDB) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	changes, err := declared(nil, sql)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := h.db.Exec(ctx, sql, args...)
	h.tell(ctx, err, changes)
	return tag, err
}

// tell tells caches. Without changes it costs nothing.
func (h *onDB) tell(ctx context.Context, err error, changes []cached.Change) {
	if len(changes) > 0 && ctx != nil {
		cached.Tell(ctx, h.db, err, changes...)
	}
}

// Query tells caches when its rows are closed, of which nothing is committed before,
// and at once if there are none.
func (h *onDB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	changes, err := declared(nil, sql)
	if err != nil {
		return handle.FailedRows(err), err // pgx returns rows beside an error too
	}
	rows, err := h.db.Query(ctx, sql, args...)
	if len(changes) == 0 {
		return rows, err
	}
	if err != nil {
		h.tell(ctx, err, changes)
		return rows, err
	}
	return &onRows{rows, ends{h, ctx, changes}}, nil
}

// QueryRow has the first row of Query, with which the statement has ended.
func (h *onDB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if changes, err := declared(nil, sql); err == nil && len(changes) == 0 {
		return h.db.QueryRow(ctx, sql, args...)
	}
	return handle.FirstRow(h.Query(ctx, sql, args...))
}

// SendBatch sends all of the batch, or nothing if a comment in it is refused.
func (h *onDB) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	var changes []cached.Change
	for i, q := range b.QueuedQueries {
		var err error
		if changes, err = declared(changes, q.SQL); err != nil {
			return pgx.FailedBatchResults(b, fmt.Errorf("statement %d of a batch: %w", i+1, err))
		}
	}
	results := h.db.SendBatch(ctx, b)
	if len(changes) == 0 {
		return results
	}
	return &onResults{results, ends{h, ctx, changes}}
}

// CopyFrom needs no comment: it says which table it writes, and only creates rows.
func (h *onDB) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	n, err := h.db.CopyFrom(ctx, table, columns, source)
	if len(table) > 0 {
		h.tell(ctx, err, []cached.Change{{Table: table[len(table)-1], Does: cached.Create}})
	}
	return n, err
}

// Traits lets transactions know whose handle it is.
func (h *onDB) Traits() any { return onTraits{h.db} }

type onTraits struct{ db smrt.DB }

func (t onTraits) Unwrap() smrt.DB { return t.db }

// RefuseBegin returns errOnBegin: statements of the transaction would not be looked at.
func (t onTraits) RefuseBegin() error { return errOnBegin }

var errOnBegin = bad("db", "looks at statements for a cache, which transactions of package txn and units do not: pass the handle that cache.On was given, and use cache.Tx on the transaction")

// ends is the end of statements, which caches are told of once: an end of rows may be
// seen twice, by whoever reads them and by whoever closes them. The context is that of
// the call, as that of the result which it belongs to.
type ends struct {
	on      *onDB
	ctx     context.Context
	changes []cached.Change
}

func (e *ends) tell(err error) {
	changes := e.changes
	e.changes = nil
	e.on.tell(e.ctx, err, changes)
}

// onRows is the result of a statement that writes. It has ended, and is committed outside
// of transactions, when its rows are closed.
type onRows struct {
	pgx.Rows
	ends ends
}

func (r *onRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *onRows) Close() {
	r.Rows.Close()
	r.ends.tell(r.Err())
}

// Scan reads the row. An error closes the rows.
func (r *onRows) Scan(dst ...any) error {
	err := r.Rows.Scan(dst...)
	if err != nil {
		r.Close()
	}
	return err
}

// Values decodes the row. An error closes the rows.
func (r *onRows) Values() ([]any, error) {
	values, err := r.Rows.Values()
	if err != nil {
		r.Close()
	}
	return values, err
}

// onResults is the results of a batch that writes. Outside of transactions all of its
// statements are committed together, at its end, so that no row is void before that.
type onResults struct {
	pgx.BatchResults
	ends ends
}

func (r *onResults) Close() error {
	err := r.BatchResults.Close()
	r.ends.tell(err)
	return err
}

// onTx is a transaction that is looked at. What is told of a statement on it waits for
// the commit if package txn began the transaction, and if it was begun by hand, rows of
// the tables are not kept until it has ended.
type onTx struct {
	pgx.Tx
	on onDB
}

func (t *onTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return t.on.Exec(ctx, sql, args...)
}

func (t *onTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return t.on.Query(ctx, sql, args...)
}

func (t *onTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return t.on.QueryRow(ctx, sql, args...)
}

func (t *onTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return t.on.SendBatch(ctx, b)
}

func (t *onTx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	return t.on.CopyFrom(ctx, table, columns, source)
}

func (t *onTx) Traits() any { return onTraits{t.Tx} }

// Begin begins a savepoint that is looked at too: sqlc's users nest transactions so.
func (t *onTx) Begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := t.Tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return Tx(tx), nil
}
