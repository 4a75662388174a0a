package crud

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/plan"
)

// Core is a table with its fixed statements. It is safe for concurrent use.
type Core struct {
	*plan.Table
	Self     *Projection    // the whole entity
	where    string         // "key" = $1 AND ..., and not deleted
	keyParts []*meta.Column // the key's columns, at their places in a key
	writable []*meta.Column // what an insert may write
	mutable  []*meta.Column // what an update of a whole row writes
	returned []*meta.Column // what an update reads back

	shapes      shapes
	types       atomic.Pointer[map[string]columnType] // nil until looked up
	partitioned atomic.Bool                           // known with types

	constraints sync.Map // name of a constraint -> []string, its columns
}

// Projection is what is read of a row and where it goes.
type Projection struct {
	List    string // select list
	Get     string // SELECT by key
	Targets []meta.Target
	Structs // that rows are read into
}

// cores holds the Core of each table, so that making a repository is cheap
// enough for every request.
var cores sync.Map // *plan.Table -> *Core

// Of returns the core of t.
func Of(t *plan.Table) *Core {
	if c, ok := cores.Load(t); ok {
		return c.(*Core)
	}
	c, _ := cores.LoadOrStore(t, newCore(t))
	return c.(*Core)
}

func newCore(t *plan.Table) *Core {
	c := &Core{Table: t}
	computed := map[*meta.Column]bool{}
	for _, col := range t.Computed {
		computed[col] = true
	}
	for _, col := range t.Struct.Columns {
		if computed[col] {
			continue
		}
		c.writable = append(c.writable, col)
		if !t.IsKey(col) && col != t.CreatedAt && col != t.SoftDelete {
			c.mutable = append(c.mutable, col)
		}
	}
	for _, k := range t.Key {
		part := *k.Column
		part.Offset = k.Offset
		c.keyParts = append(c.keyParts, &part)
	}
	c.returned = c.readBack(t.UpdatedAt, t.Version)
	c.where = c.keysOnly() + c.notDeleted()
	c.Self = c.Project(t.Struct.Type, meta.List(t.Struct.Columns), t.Targets())
	return c
}

// readBack lists the columns that come back from every write, and more ones
// that are not nil.
func (c *Core) readBack(more ...*meta.Column) []*meta.Column {
	var out []*meta.Column
	seen := map[*meta.Column]bool{nil: true}
	for _, list := range [][]*meta.Column{more, c.Computed, c.ReadBack} {
		for _, col := range list {
			if !seen[col] {
				seen[col] = true
				out = append(out, col)
			}
		}
	}
	return out
}

// keysOnly matches the key as the first arguments, deleted or not.
func (c *Core) keysOnly() string {
	terms := make([]string, len(c.Key))
	for i, k := range c.Key {
		terms[i] = k.Column.Quoted + " = $" + strconv.Itoa(i+1)
	}
	return strings.Join(terms, " AND ")
}

// Project makes a projection of a select list to structs of type row.
func (c *Core) Project(row reflect.Type, list string, targets []meta.Target) *Projection {
	return &Projection{
		Structs: StructsOf(row),
		List:    list,
		Targets: targets,
		Get:     "SELECT " + list + " FROM " + c.Quoted + " WHERE " + c.where,
	}
}

// Fail gives err its type and says what failed. It returns nil for nil.
func (c *Core) Fail(ctx context.Context, db smrt.DB, op Op, err error) error {
	if err == nil {
		return nil
	}
	return pgerr.Wrap(op, c.Name, c.withColumns(ctx, db, err))
}

// NeedKey refuses operations that need a key on tables without one.
func (c *Core) NeedKey(ctx context.Context, db smrt.DB) error {
	if err := handle.Check(ctx, db); err != nil {
		return err
	}
	if len(c.Key) == 0 {
		return smrt.ErrNoKey
	}
	return nil
}

// keyArgs returns the key at key as arguments.
func (c *Core) keyArgs(key unsafe.Pointer) ([]any, error) {
	args := make([]any, len(c.keyParts))
	for i, part := range c.keyParts {
		v, err := part.Arg(key)
		if err != nil {
			return nil, c.named(err)
		}
		args[i] = v
	}
	return args, nil
}

// named completes a ValueError with the table's name.
func (c *Core) named(err error) error {
	var v *smrt.ValueError
	if errors.As(err, &v) && v.Table == "" {
		named := *v
		named.Table = c.Name
		return &named
	}
	return err
}

// Get reads the row with the key at key into a new struct.
func (c *Core) Get(ctx context.Context, db smrt.DB, pr *Projection, key unsafe.Pointer) (unsafe.Pointer, error) {
	if err := c.NeedKey(ctx, db); err != nil {
		return nil, err
	}
	args, err := c.keyArgs(key)
	if err != nil {
		return nil, err
	}
	rows, err := db.Query(ctx, pr.Get, args...)
	if err != nil {
		return nil, c.explain(ctx, db, err, args, c.keyParts)
	}
	return c.one(rows, pr)
}

// one reads the only row of a result.
func (c *Core) one(rows pgx.Rows, pr *Projection) (unsafe.Pointer, error) {
	if !rows.Next() {
		rows.Close()
		if err := rows.Err(); err != nil {
			return nil, err
		}
		return nil, smrt.ErrNotFound
	}
	var d meta.Decoder
	d.Init(c.Name, pr.Targets, rows, true)
	p := pr.one()
	err := d.Row(rows, p)
	rows.Close()
	if err == nil {
		err = rows.Err()
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Query runs a query and reads its rows to where next says.
func (c *Core) Query(ctx context.Context, db smrt.DB, pr *Projection, s *plan.Spec, and *plan.Node, next func() unsafe.Pointer) error {
	rows, err := c.open(ctx, db, &plan.Request{Verb: plan.Select, List: pr.List, Spec: s, AndThen: and})
	if rows == nil {
		return err
	}
	if err := c.each(rows, pr.Targets, next); err != nil {
		return c.explainSpec(ctx, db, err, s)
	}
	return nil
}

// open runs a query. Rows and error are nil when no row can match.
func (c *Core) open(ctx context.Context, db smrt.DB, r *plan.Request) (pgx.Rows, error) {
	if err := handle.Check(ctx, db); err != nil {
		return nil, err
	}
	st, err := c.Build(r)
	if err != nil || r.Spec.Empty() {
		return nil, c.named(err)
	}
	rows, err := db.Query(ctx, st.SQL, withMode(r.Spec, st.Args)...)
	if err != nil {
		return nil, c.explainSpec(ctx, db, err, r.Spec)
	}
	return rows, nil
}

// withMode puts the query's exec mode where pgx looks for it.
func withMode(s *plan.Spec, args []any) []any {
	if s.Mode == 0 {
		return args
	}
	return append([]any{s.Mode}, args...)
}

func (c *Core) each(rows pgx.Rows, targets []meta.Target, next func() unsafe.Pointer) error {
	defer rows.Close()
	var d meta.Decoder
	for first := true; rows.Next(); first = false {
		if first {
			d.Init(c.Name, targets, rows, false)
		}
		if err := d.Row(rows, next()); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Scalar runs a query whose result is one row and scans it.
func (c *Core) Scalar(ctx context.Context, db smrt.DB, r *plan.Request, dst ...any) error {
	if err := handle.Check(ctx, db); err != nil {
		return err
	}
	st, err := c.Build(r)
	if err != nil {
		return c.named(err)
	}
	err = db.QueryRow(ctx, st.SQL, withMode(r.Spec, st.Args)...).Scan(dst...)
	if err != nil {
		return c.explainSpec(ctx, db, err, r.Spec)
	}
	return nil
}

// Stream reads rows one by one into the struct that next gives, until yield
// says stop.
func (c *Core) Stream(ctx context.Context, db smrt.DB, pr *Projection, s *plan.Spec, next func() unsafe.Pointer, yield func() bool) error {
	rows, err := c.open(ctx, db, &plan.Request{Verb: plan.Select, List: pr.List, Spec: s})
	if rows == nil {
		return err
	}
	ended := false
	defer func() {
		if !ended { // also when the caller's loop panics
			stop(ctx, rows)
		}
	}()
	var d meta.Decoder
	for first := true; rows.Next(); first = false {
		if first {
			d.Init(c.Name, pr.Targets, rows, false)
		}
		if err := d.Row(rows, next()); err != nil {
			return err
		}
		if !yield() {
			return nil
		}
	}
	ended = true
	return rows.Err()
}

// stop ends a result before its end. Outside a transaction the server is asked
// to stop sending: reading a million rows only to drop them takes longer than
// the request. The request is complete before the connection is used again, so
// it cannot hit a later statement. Inside a transaction, which it would abort,
// the rest is read.
func stop(ctx context.Context, rows pgx.Rows) {
	defer rows.Close()
	conn := rows.Conn()
	if conn == nil || conn.PgConn().TxStatus() != handle.StatusIdle {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer cancel()
	_ = conn.PgConn().CancelRequest(ctx) // if it fails, the rest is read
}

// Op names an operation in errors.
type Op = pgerr.Op

// Ordered returns s with an order, so that "the first row" means something:
// its own, the table's, or that of the key.
func (c *Core) Ordered(s *plan.Spec) *plan.Spec {
	if len(s.Order) > 0 || !s.Unordered && len(c.DefaultOrder) > 0 || len(c.Key) == 0 {
		return s
	}
	ordered := s.Clone()
	for _, k := range c.Key {
		ordered.Order = append(ordered.Order, meta.Order{Column: k.Column})
	}
	return ordered
}

// Count counts the rows that match.
func (c *Core) Count(ctx context.Context, db smrt.DB, s *plan.Spec) (n int64, err error) {
	s = s.OrEmpty()
	if s.Lock != plan.NoLock {
		return 0, &smrt.QueryError{Reason: "rows that are counted cannot be locked"}
	}
	if s.Empty() && s.Err == nil && ctx != nil {
		return 0, nil
	}
	err = c.Scalar(ctx, db, &plan.Request{Verb: plan.Count, Spec: s}, &n)
	return n, err
}

// Exists tells whether a row matches.
func (c *Core) Exists(ctx context.Context, db smrt.DB, s *plan.Spec) (ok bool, err error) {
	s = s.OrEmpty()
	if s.Empty() && s.Err == nil && ctx != nil {
		return false, nil
	}
	err = c.Scalar(ctx, db, &plan.Request{Verb: plan.Exists, Spec: s}, &ok)
	return ok, err
}
