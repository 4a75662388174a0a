package limit

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// limited is what a handle with limits says of itself, see handle.Traits.
type limited interface {
	handle.Wrapper
	Limits() *Set
}

// Below returns the handle that db limits the use of, and how. A handle without
// limits is returned as it is, with nil.
func Below(db smrt.DB) (smrt.DB, *Set) {
	if t, ok := db.(handle.Traits); ok {
		if l, ok := t.Traits().(limited); ok {
			return l.Unwrap(), l.Limits()
		}
	}
	return db, nil
}

// SetOf returns the limits of a handle, or of one that it stands for.
func SetOf(db any) *Set {
	for range maxWrappers {
		if t, ok := db.(handle.Traits); ok {
			db = t.Traits()
		}
		if l, ok := db.(limited); ok {
			return l.Limits()
		}
		w, ok := db.(handle.Wrapper)
		if !ok {
			break
		}
		db = w.Unwrap()
	}
	return nil
}

// maxWrappers bounds a chain of handles, which by mistake may be a ring.
const maxWrappers = 16

// On returns a handle that limits the use of db, or db itself if s is nil. A
// transaction stays one.
func On(db smrt.DB, s *Set) smrt.DB {
	if s == nil {
		return db
	}
	if tx, ok := db.(pgx.Tx); ok {
		return OnTx(tx, s)
	}
	return NewDB(db, s)
}

// DB limits what is sent on a handle by hand.
type DB struct {
	db  smrt.DB
	set *Set
}

// NewDB limits the use of db. The limits of db hold too.
func NewDB(db smrt.DB, s *Set) *DB {
	below, in := Below(db)
	return &DB{below, in.With(s)}
}

// Traits returns what the handle says to engines.
func (d *DB) Traits() any { return traits{d} }

type traits struct{ d *DB }

func (t traits) Unwrap() smrt.DB { return t.d.db }
func (t traits) Limits() *Set    { return t.d.set }

// Exec runs a statement.
func (d *DB) Exec(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	c := Enter(&ctx, d.set, "", "").Sends(1).Charge(1).Plans(d.db, sql)
	defer c.End(&err)
	if err := c.Refused(); err != nil {
		return tag, err
	}
	return d.db.Exec(ctx, sql, args...)
}

// Query runs a query, whose rows end the call.
func (d *DB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c := Enter(&ctx, d.set, "", "").Sends(1).Charge(1).Plans(d.db, sql)
	if c == nil {
		return d.db.Query(ctx, sql, args...)
	}
	var inner pgx.Rows
	err := c.opens(func() (err error) {
		inner, err = d.db.Query(ctx, sql, args...)
		return err
	})
	if err != nil {
		return handle.FailedRows(err), err
	}
	return &ownRows{Rows: c.Result(inner, 0), call: c}, nil
}

// QueryRow runs a query whose first row is wanted.
func (d *DB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	c := Enter(&ctx, d.set, "", "").Sends(1).Charge(1).Plans(d.db, sql)
	if c == nil {
		return d.db.QueryRow(ctx, sql, args...)
	}
	var row pgx.Row
	if err := c.opens(func() error { row = c.First(ctx, d.db, sql, args...); return nil }); err != nil {
		return handle.FirstRow(nil, err)
	}
	return &ownRow{row, c}
}

// SendBatch sends several statements, whose results end the call. Each of them is
// limited by itself, their time is that of all.
func (d *DB) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	c := Enter(&ctx, d.set, "", "").Sends(len(b.QueuedQueries)).Charge(len(b.QueuedQueries))
	if c == nil {
		return d.db.SendBatch(ctx, b)
	}
	for _, q := range b.QueuedQueries {
		c.Plans(d.db, q.SQL)
	}
	out := *b
	out.QueuedQueries = make([]*pgx.QueuedQuery, len(b.QueuedQueries))
	for i, q := range b.QueuedQueries {
		counted := *q
		if fn := q.Fn; fn != nil {
			counted.Fn = func(in pgx.BatchResults) error { return fn(&ownResults{in, c}) } // in, and not what is around it: that is being closed
		}
		out.QueuedQueries[i] = &counted
	}
	var results pgx.BatchResults
	if err := c.opens(func() error { results = d.db.SendBatch(ctx, &out); return nil }); err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	return &ownResults{results, c}
}

// CopyFrom loads rows with COPY.
func (d *DB) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (n int64, err error) {
	c := Enter(&ctx, d.set, "", "").Sends(1).Charge(Write)
	defer c.End(&err)
	if err := c.Refused(); err != nil {
		return 0, err
	}
	n, err = d.db.CopyFrom(ctx, table, columns, src)
	c.Came(n*Write, int64(len(columns)))
	return n, err
}

// Begin begins a transaction with the same limits.
func (d *DB) Begin(ctx context.Context) (pgx.Tx, error) { return d.BeginTx(ctx, pgx.TxOptions{}) }

// BeginTx begins a transaction with options. It has the time of a call, and the
// transaction itself as long as it likes.
func (d *DB) BeginTx(ctx context.Context, options pgx.TxOptions) (tx pgx.Tx, err error) {
	c := Enter(&ctx, d.set, "", "")
	defer c.End(&err)
	switch db := d.db.(type) {
	case interface {
		BeginTx(context.Context, pgx.TxOptions) (pgx.Tx, error)
	}:
		tx, err = db.BeginTx(ctx, options)
	case interface {
		Begin(context.Context) (pgx.Tx, error)
	}:
		if options != (pgx.TxOptions{}) {
			return nil, d.cannot("has no BeginTx, and takes no options")
		}
		tx, err = db.Begin(ctx)
	default:
		return nil, d.cannot("cannot begin transactions")
	}
	if err != nil {
		return nil, err
	}
	return OnTx(tx, d.set), nil
}

// Acquire lends a connection, on which nothing is limited.
func (d *DB) Acquire(ctx context.Context) (*pgxpool.Conn, error) {
	if p, ok := d.db.(smrt.Pool); ok {
		return p.Acquire(ctx)
	}
	return nil, d.cannot("lends no connections")
}

func (d *DB) cannot(what string) error {
	return &smrt.OptionsError{Option: "db", Reason: fmt.Sprintf("is a %T, which %s", d.db, what)}
}

// Tx limits what is sent in a transaction by hand.
type Tx struct {
	pgx.Tx
	db DB
}

// OnTx limits the use of a transaction, or returns it as it is if s is nil. Its own
// limits hold too.
func OnTx(tx pgx.Tx, s *Set) pgx.Tx {
	if s == nil {
		return tx
	}
	db := NewDB(tx, s)
	return &Tx{db.db.(pgx.Tx), *db}
}

// Traits returns what the handle says to engines.
func (t *Tx) Traits() any { return traits{&t.db} }

// Exec runs a statement.
func (t *Tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return t.db.Exec(ctx, sql, args...)
}

// Query runs a query.
func (t *Tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return t.db.Query(ctx, sql, args...)
}

// QueryRow runs a query whose first row is wanted.
func (t *Tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return t.db.QueryRow(ctx, sql, args...)
}

// SendBatch sends several statements.
func (t *Tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return t.db.SendBatch(ctx, b)
}

// CopyFrom loads rows with COPY.
func (t *Tx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	return t.db.CopyFrom(ctx, table, columns, src)
}

// Begin makes a savepoint with the same limits.
func (t *Tx) Begin(ctx context.Context) (tx pgx.Tx, err error) {
	c := Enter(&ctx, t.db.set, "", "")
	defer c.End(&err)
	tx, err = t.Tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return OnTx(tx, t.db.set), nil
}
