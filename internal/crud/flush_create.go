package crud

import (
	"context"
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// CreateShape says how the columns of the entity at p are written by an insert.
// Rows of one shape can be in one statement. The columns refs get keys of
// other rows, and those in late are NULL at first.
func (c *Core) CreateShape(shape []byte, p unsafe.Pointer, refs, late []*meta.Column) ([]byte, error) {
	for _, col := range c.writable {
		switch {
		case slices.Contains(refs, col):
			shape = append(shape, byRef)
			continue
		case slices.Contains(late, col):
			shape = append(shape, byNull)
			continue
		}
		how, err := c.written(col, p)
		if err != nil {
			return nil, err
		}
		shape = append(shape, how)
	}
	return shape, nil
}

// Writable tells whether an insert writes a column.
func (c *Core) Writable(col *meta.Column) bool { return slices.Contains(c.writable, col) }

// MaxRows is how many rows a statement may have whose rows are of one shape: 1
// where a column has a type that no array can carry.
func (c *Core) MaxRows(ctx context.Context, db smrt.DB, shape []byte) (int, error) {
	types, err := c.columnTypes(ctx, db)
	if err != nil {
		return 0, err
	}
	p := c.insertParts(shape)
	if _, ok := c.carried(types, p.args); !ok || len(p.args)+len(p.refs) == 0 {
		return 1, nil
	}
	return chunkRows, nil
}

// carried is carriers, remembered: asking pgx what it can encode takes longer
// than sending ten rows.
func (c *Core) carried(types map[string]columnType, columns []*meta.Column) ([]carrier, bool) {
	out := make([]carrier, len(columns))
	for i, col := range columns {
		key := carriage{col, types[col.Name]}
		known, ok := carriages.Load(key)
		if !ok {
			ks, can := c.carriers(types, columns[i:i+1])
			if !can {
				ks = []carrier{{}}
			}
			known, _ = carriages.LoadOrStore(key, ks[0])
		}
		if out[i] = known.(carrier); out[i].param == "" {
			return nil, false
		}
	}
	return out, true
}

type carriage struct {
	column *meta.Column
	of     columnType
}

// carriages grows with the columns that a program declares.
var carriages sync.Map // carriage -> carrier

// CreateWrite is the insert of rows of one shape. With keep it leaves their
// keys in the setting of that name.
func (c *Core) CreateWrite(ctx context.Context, db smrt.DB, rows Rows, shape []byte, refs []Ref, keep string) (*Write, error) {
	types, err := c.checkRows(ctx, db, rows)
	if err != nil {
		return nil, err
	}
	w := &Write{Core: c, Op: "create", Rows: rows}
	known, key := c.template(rows.N == 1, shape, refs, keep != "")
	var p insertParts
	columns := known.columns
	if known.sql == "" {
		p = c.insertParts(shape)
		columns = p.args
	}
	in := inputs{core: c, rows: rows, argsOnly: known.sql != ""}
	from := ""
	if rows.N == 1 {
		err = in.single(ctx, db, types, columns, refs)
	} else {
		from, err = in.bulk(ctx, db, types, columns, refs, false)
	}
	if err != nil {
		return nil, err
	}
	if known.sql == "" {
		known = template{sql: c.createSQL(&in, p, from, refs, keep), columns: columns, returned: meta.TargetsOf(p.back, 0)}
		c.keepTemplate(key, known)
	} else if keep != "" {
		in.param(keep)
	}
	w.SQL, w.Args, w.returned = known.sql, in.args, known.returned
	return w, nil
}

func (c *Core) createSQL(in *inputs, p insertParts, from string, refs []Ref, keep string) string {
	n := 0
	for i, v := range p.values {
		switch v {
		case "":
			p.values[i] = in.exprs[p.args[n]]
			n++
		case refValue:
			p.values[i] = in.exprs[c.writableNamed(p.names[i])]
		}
	}
	var b strings.Builder
	b.WriteString("INSERT INTO " + c.Quoted)
	switch {
	case len(p.names) == 0:
		b.WriteString(" DEFAULT VALUES")
	case in.rows.N == 1:
		b.WriteString(" (" + strings.Join(p.names, ", ") + ")" + overriding(c, refs) + " VALUES (" + strings.Join(p.values, ", ") + ")")
	default:
		b.WriteString(" (" + strings.Join(p.names, ", ") + ")" + overriding(c, refs) + " SELECT " + strings.Join(p.values, ", ") + " FROM " + from)
	}
	if len(p.back) > 0 {
		b.WriteString(" RETURNING " + meta.List(p.back))
	}
	if keep != "" {
		return in.keep(b.String(), c.Key[0].Column, keep)
	}
	return b.String()
}

// template is the text of an insert that was made before, with what goes in and
// what comes back. It takes a third of the time of a flush to make.
type template struct {
	sql      string
	columns  []*meta.Column
	returned []meta.Target
	types    *map[string]columnType // of the columns, when it was made
}

type templateKey struct {
	core  *Core
	shape string
}

// templates grows with the shapes of inserts, of which a table has few; see
// shapes.
var templates struct {
	mu sync.Mutex
	m  map[templateKey]template
}

const maxTemplates = 4096

func (c *Core) template(single bool, shape []byte, refs []Ref, keep bool) (template, templateKey) {
	var buffer [128]byte
	b := append(buffer[:0], shape...)
	b = append(b, boolByte(single)<<1|boolByte(keep))
	for _, r := range refs {
		b = binary.AppendUvarint(b, uint64(r.Column.Index))
		if types := r.Of.types.Load(); types != nil {
			b = append(append(b, (*types)[r.Of.Key[0].Column.Name].name...), 0)
		}
	}
	key := templateKey{c, string(b)}
	templates.mu.Lock()
	t := templates.m[key]
	templates.mu.Unlock()
	if t.sql != "" && t.types != c.types.Load() {
		return template{}, key
	}
	return t, key
}

func (c *Core) keepTemplate(key templateKey, t template) {
	if t.types = c.types.Load(); t.types == nil {
		return
	}
	templates.mu.Lock()
	defer templates.mu.Unlock()
	if templates.m == nil || len(templates.m) >= maxTemplates {
		templates.m = map[templateKey]template{}
	}
	templates.m[key] = t
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// overriding lets a key be written that was drawn beforehand.
func overriding(c *Core, refs []Ref) string {
	for _, r := range refs {
		if c.IsKey(r.Column) && r.Of == c {
			return " OVERRIDING SYSTEM VALUE"
		}
	}
	return ""
}

func (c *Core) writableNamed(quoted string) *meta.Column {
	i := slices.IndexFunc(c.writable, func(col *meta.Column) bool { return col.Quoted == quoted })
	return c.writable[i]
}

// keep makes an insert leave its keys in a setting. One row can do that in its
// RETURNING list. Rows of a WITH part come in the order they were inserted.
func (in *inputs) keep(sql string, key *meta.Column, setting string) string {
	if in.rows.N == 1 {
		return sql + ", set_config(" + in.param(setting) + ", ARRAY[" + key.Quoted + "]::text, true)"
	}
	return "WITH smrt_i AS (" + sql + "), smrt_k AS MATERIALIZED (SELECT set_config(" + in.param(setting) +
		", array_agg(smrt_i." + key.Quoted + ")::text, true) FROM smrt_i) SELECT smrt_i.* FROM smrt_k, smrt_i"
}

// DrawWrite draws n keys before their rows are created, and leaves them in a
// setting: for rows that refer to each other in a ring.
func (c *Core) DrawWrite(ctx context.Context, db smrt.DB, n int, keep string) (*Write, error) {
	types, err := c.columnTypes(ctx, db)
	if err != nil {
		return nil, err
	}
	key := c.Key[0].Column
	w := &Write{Core: c, Op: "create", Args: []any{keep, n}}
	next := "gen_random_uuid()"
	if types[key.Name].name != "pg_catalog.uuid" {
		next = "nextval(pg_get_serial_sequence($3, $4))"
		w.Args = append(w.Args, c.Quoted, key.Name)
	}
	w.SQL = "SELECT set_config($1, array_agg(k)::text, true) FROM (SELECT " + next + " AS k FROM generate_series(1, $2::integer)) AS drawn"
	return w, nil
}

// CanDraw tells whether keys can be drawn before their rows are created.
func (c *Core) CanDraw() bool {
	return len(c.Key) == 1 && (isInteger(c.Key[0].Column) || c.Key[0].Column.Kind == meta.KindUUID || c.Key[0].Column.Type == uuidType)
}

var uuidType = reflect.TypeFor[pgtype.UUID]()

func isInteger(col *meta.Column) bool {
	return col.Encode == meta.KindInt64 || col.Encode == meta.KindInt32 || col.Encode == meta.KindInt16
}
