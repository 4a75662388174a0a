package crud

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/meta"
)

// statement is the SQL of a write with what goes in and what comes back.
type statement struct {
	sql      string
	columns  []*meta.Column // arguments, in order
	ordinal  bool           // the first column of the result is the row's number
	returned []meta.Target  // columns read back, in order
}

// hasResult tells whether the statement returns rows.
func (st *statement) hasResult() bool { return st.ordinal || len(st.returned) > 0 }

// shapes caches statements by shape: which columns of an entity are written
// and which are left to the server. A table has few: one for each combination
// of zero values among the columns with defaults that a program really writes.
type shapes struct {
	mu sync.RWMutex
	m  map[string]*statement
}

func (s *shapes) get(shape []byte, make func() *statement) *statement {
	s.mu.RLock()
	st := s.m[string(shape)] // does not allocate
	s.mu.RUnlock()
	if st != nil {
		return st
	}
	st = make()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil || len(s.m) >= maxShapes {
		s.m = map[string]*statement{}
	}
	s.m[string(shape)] = st
	return st
}

// maxShapes bounds the cache of a table. A table with fifteen columns that
// have defaults could have more; dropping all of them then costs a rendering
// of a microsecond each.
const maxShapes = 1024

// How a column is written by an insert.
const (
	byValue  = 'v'
	byServer = 'd' // left out: its default applies
	byClock  = 'n' // now()
	byOne    = '1' // the first version
	byRef    = 'r' // the key of another row, which the server knows
	byNull   = 'z' // NULL for now
)

// insertShape tells how each writable column of the entity at p is written.
func (c *Core) insertShape(shape []byte, p unsafe.Pointer) ([]byte, error) {
	for _, col := range c.writable {
		how, err := c.written(col, p)
		if err != nil {
			return nil, err
		}
		shape = append(shape, how)
	}
	return shape, nil
}

// written tells how one column of the entity at p is written.
func (c *Core) written(col *meta.Column, p unsafe.Pointer) (byte, error) {
	switch {
	case col == c.UpdatedAt:
		return byClock, nil
	case col == c.CreatedAt && col.Zero(p):
		return byClock, nil
	case col == c.Version && col.Zero(p):
		return byOne, nil
	case c.IsKey(col) && (len(c.Key) == 1 && col.Zero(p)):
		if !c.KeyByServer {
			return 0, &smrt.ValueError{
				Table: c.Name, Column: col.Name, Row: -1, Offset: -1, Err: smrt.ErrZeroKey,
				Reason: "assign a key before the row is created, or declare the table with KeyByDatabase",
			}
		}
		return byServer, nil
	case contains(c.Defaults, col) && col.Zero(p):
		return byServer, nil
	}
	return byValue, nil
}

func contains(columns []*meta.Column, col *meta.Column) bool {
	for _, c := range columns {
		if c == col {
			return true
		}
	}
	return false
}

// insertParts are the pieces of an insert of one shape.
type insertParts struct {
	names  []string // columns written
	values []string // what is written: "" stands for an argument
	args   []*meta.Column
	refs   []*meta.Column // written as the keys of other rows
	back   []*meta.Column // what the server decided
}

// refValue stands for the key of another row among the values.
const refValue = "?"

func (c *Core) insertParts(shape []byte) insertParts {
	var p insertParts
	var decided []*meta.Column
	for i, how := range shape {
		col := c.writable[i]
		if how != byValue && (how != byRef || len(c.Key) == 1 && c.IsKey(col)) { // of other references the key is known
			decided = append(decided, col)
		}
		if how == byServer {
			continue
		}
		p.names = append(p.names, col.Quoted)
		switch how {
		case byClock:
			p.values = append(p.values, "now()")
		case byOne:
			p.values = append(p.values, "1")
		case byNull:
			p.values = append(p.values, "NULL")
		case byRef:
			p.values = append(p.values, refValue)
			p.refs = append(p.refs, col)
		default:
			p.values = append(p.values, "")
			p.args = append(p.args, col)
		}
	}
	p.back = c.readBack(decided...)
	return p
}

// insertSQL is the statement for one row.
func (c *Core) insertSQL(shape []byte, x *Conflict) *statement {
	p := c.insertParts(shape)
	var b strings.Builder
	b.WriteString("INSERT INTO " + c.Quoted)
	if len(p.names) == 0 {
		b.WriteString(" DEFAULT VALUES")
	} else {
		n := 0
		for i, v := range p.values {
			if v == "" {
				n++
				p.values[i] = "$" + strconv.Itoa(n)
			}
		}
		b.WriteString(" (" + strings.Join(p.names, ", ") + ") VALUES (" + strings.Join(p.values, ", ") + ")")
	}
	return c.finishInsert(&b, p, x)
}

// finishInsert adds what is the same for one row and for many.
func (c *Core) finishInsert(b *strings.Builder, p insertParts, x *Conflict) *statement {
	st := &statement{columns: p.args}
	if x != nil {
		b.WriteString(x.sql(c))
		b.WriteString(" RETURNING " + x.inserted(c) + ", " + meta.List(c.Struct.Columns))
		st.returned = c.Targets()
	} else if len(p.back) > 0 {
		b.WriteString(" RETURNING " + meta.List(p.back))
		st.returned = meta.TargetsOf(p.back, 0)
	}
	st.sql = b.String()
	return st
}

// tableRef qualifies system columns; the table's own name does, without its
// schema.
func (c *Core) tableRef() string {
	return c.Quoted[strings.LastIndex(c.Quoted, `."`)+1:] + "."
}

// Insert creates the row of the entity at p and reads back what the server
// decided.
func (c *Core) Insert(ctx context.Context, db smrt.DB, p unsafe.Pointer) error {
	if err := c.writableEntity(ctx, db, p); err != nil {
		return err
	}
	var buffer [64]byte
	shape, err := c.insertShape(append(buffer[:0], 'i'), p)
	if err != nil {
		return err
	}
	st := c.shapes.get(shape, func() *statement { return c.insertSQL(shape[1:], nil) })
	_, err = c.run(ctx, db, st, p, nil)
	return err
}

// writableTable is the gate of all writes: what cannot be is refused before a
// connection is taken.
func (c *Core) writableTable(ctx context.Context, db smrt.DB) error {
	if err := handle.Check(ctx, db); err != nil {
		return err
	}
	if c.ReadOnly {
		return smrt.ErrReadOnly
	}
	return handle.RefuseWrite(db)
}

func (c *Core) writableEntity(ctx context.Context, db smrt.DB, p unsafe.Pointer) error {
	if err := c.writableTable(ctx, db); err != nil {
		return err
	}
	if p == nil {
		return smrt.ErrNilEntity
	}
	return nil
}

// run sends a write of the entity at p and reads back into it. It returns the
// rows affected. With head, the first column of the result goes there.
func (c *Core) run(ctx context.Context, db smrt.DB, st *statement, p unsafe.Pointer, head *bool) (int64, error) {
	args, err := c.arguments(ctx, db, st.columns, p)
	if err != nil {
		return 0, err
	}
	if len(st.returned) == 0 && head == nil {
		tag, err := db.Exec(ctx, st.sql, args...)
		if spelled := c.spelled(ctx, db, err, args, st.columns); spelled != nil {
			tag, err = db.Exec(ctx, st.sql, spelled...)
		}
		if err != nil {
			return 0, c.explain(ctx, db, err, args, st.columns)
		}
		return tag.RowsAffected(), nil
	}
	rows, err := db.Query(ctx, st.sql, args...)
	if spelled := c.spelled(ctx, db, err, args, st.columns); spelled != nil {
		rows, err = db.Query(ctx, st.sql, spelled...)
	}
	if err != nil {
		return 0, c.explain(ctx, db, err, args, st.columns)
	}
	r := result{core: c, rows: rows, targets: st.returned, head: head}
	n, err := r.read(func(int) unsafe.Pointer { return p })
	if err != nil {
		return 0, c.explain(ctx, db, err, args, st.columns)
	}
	return int64(n), nil
}

// arguments are the columns of the entity at p.
func (c *Core) arguments(ctx context.Context, db smrt.DB, columns []*meta.Column, p unsafe.Pointer) ([]any, error) {
	args := make([]any, len(columns))
	for i, col := range columns {
		v, err := col.Arg(p)
		if err != nil {
			return nil, c.named(err)
		}
		if col.NotFinite(p) {
			if err := c.checkFinite(ctx, db, col); err != nil {
				return nil, err
			}
		}
		args[i] = v
	}
	return args, nil
}

// Update writes the whole row of the entity at p.
func (c *Core) Update(ctx context.Context, db smrt.DB, p unsafe.Pointer) error {
	if err := c.writableEntity(ctx, db, p); err != nil {
		return err
	}
	if err := c.NeedKey(ctx, db); err != nil {
		return err
	}
	if err := c.needKeyValue(p, -1); err != nil {
		return err
	}
	st := c.shapes.get([]byte{'u'}, c.updateSQL)
	n, err := c.run(ctx, db, st, p, nil)
	if err != nil || n > 0 {
		return err
	}
	return c.missingOrStale(ctx, db, p)
}

// needKeyValue refuses an entity whose key is zero: it was never created. A
// composite key may contain zeros.
func (c *Core) needKeyValue(p unsafe.Pointer, row int) error {
	for _, k := range c.Key {
		if !k.Column.Zero(p) {
			return nil
		}
	}
	return &smrt.ValueError{
		Table: c.Name, Column: c.Key[0].Column.Name, Row: row, Offset: -1, Err: smrt.ErrZeroKey,
		Reason: "the entity was not read or created before",
	}
}

func (c *Core) updateSQL() *statement {
	st := &statement{}
	arg := func(col *meta.Column) string {
		st.columns = append(st.columns, col)
		return "$" + strconv.Itoa(len(st.columns))
	}
	var sets []string
	for _, col := range c.mutable {
		sets = append(sets, col.Quoted+" = "+c.updated(col, "", func() string { return arg(col) }))
	}
	var where []string
	for _, k := range c.Key {
		where = append(where, k.Column.Quoted+" = "+arg(k.Column))
	}
	if c.Version != nil {
		where = append(where, c.Version.Quoted+" = "+arg(c.Version))
	}
	if c.SoftDelete != nil {
		where = append(where, c.SoftDelete.Quoted+" IS NULL")
	}
	if len(sets) == 0 { // all columns are key
		sets = append(sets, c.Key[0].Column.Quoted+" = "+c.Key[0].Column.Quoted)
	}
	st.sql = "UPDATE " + c.Quoted + " SET " + strings.Join(sets, ", ") + " WHERE " + strings.Join(where, " AND ")
	if len(c.returned) > 0 {
		st.sql += " RETURNING " + meta.List(c.returned)
		st.returned = meta.TargetsOf(c.returned, 0)
	}
	return st
}

// updated is what an update writes to a column of the row called alias.
func (c *Core) updated(col *meta.Column, alias string, value func() string) string {
	switch col {
	case c.UpdatedAt:
		return "now()"
	case c.Version:
		return alias + col.Quoted + " + 1"
	}
	return value()
}

// missingOrStale tells why an update touched no row.
func (c *Core) missingOrStale(ctx context.Context, db smrt.DB, p unsafe.Pointer) error {
	if c.Version == nil {
		return smrt.ErrNotFound
	}
	args := make([]any, len(c.Key))
	for i, k := range c.Key {
		args[i], _ = k.Column.Arg(p) // passed before
	}
	var exists bool
	err := db.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+c.Quoted+" WHERE "+c.where+")", args...).Scan(&exists)
	switch {
	case err != nil:
		return err
	case exists:
		return &smrt.StaleError{Table: c.Name, Have: c.Version.Int(p)}
	}
	return smrt.ErrNotFound
}
