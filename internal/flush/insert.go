package flush

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
	"github.com/smrt-go/smrt/internal/table"
)

// CreateShape says how the columns of the entity at p are written by an insert.
// Rows of one shape can be in one statement. The columns refs get keys of
// other rows, and those in late are NULL at first.
func CreateShape(c *table.Table, shape []byte, p unsafe.Pointer, refs, late []*meta.Column) ([]byte, error) {
	for _, col := range c.Writable {
		switch {
		case slices.Contains(refs, col):
			shape = append(shape, table.ByRef)
			continue
		case slices.Contains(late, col):
			shape = append(shape, table.ByNull)
			continue
		}
		how, err := c.InsertMode(col, p)
		if err != nil {
			return nil, err
		}
		shape = append(shape, how)
	}
	return shape, nil
}

// MaxRows is how many rows a statement may have whose rows are of one shape: 1
// where a column has a type that no array can carry.
func MaxRows(ctx context.Context, db smrt.DB, c *table.Table, shape []byte) (int, error) {
	types, err := c.ColumnTypes(ctx, db)
	if err != nil {
		return 0, err
	}
	p := c.InsertParts(shape)
	if _, ok := c.ArrayTypes(types, p.Args); !ok || len(p.Args)+len(p.Refs) == 0 {
		return 1, nil
	}
	return table.MaxChunk, nil
}

// CreateWrite is the insert of rows of one shape. With keep it leaves their
// keys in the setting of that name.
func CreateWrite(ctx context.Context, db smrt.DB, c *table.Table, rows table.Rows, shape []byte, refs []Ref, keep string) (*Write, error) {
	types, err := c.CheckRows(ctx, db, rows)
	if err != nil {
		return nil, err
	}
	w := &Write{Core: c, Op: "create", Rows: rows}
	known, key := knownTemplate(c, rows.N == 1, shape, refs, keep != "")
	var p table.InsertParts
	columns := known.columns
	if known.sql == "" {
		p = c.InsertParts(shape)
		columns = p.Args
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
		known = template{sql: createSQL(c, &in, p, from, refs, keep), columns: columns, returned: meta.TargetsOf(p.Back, 0)}
		keepTemplate(c, key, known)
	} else if keep != "" {
		in.param(keep)
	}
	w.SQL, w.Args, w.returned = known.sql, in.args, known.returned
	return w, nil
}

func createSQL(c *table.Table, in *inputs, p table.InsertParts, from string, refs []Ref, keep string) string {
	n := 0
	for i, v := range p.Values {
		switch v {
		case "":
			p.Values[i] = in.exprs[p.Args[n]]
			n++
		case table.RefValue:
			p.Values[i] = in.exprs[writableNamed(c, p.Names[i])]
		}
	}
	var b strings.Builder
	b.WriteString("INSERT INTO " + c.Quoted)
	switch {
	case len(p.Names) == 0:
		b.WriteString(" DEFAULT VALUES")
	case in.rows.N == 1:
		b.WriteString(" (" + strings.Join(p.Names, ", ") + ")" + overriding(c, refs) + " VALUES (" + strings.Join(p.Values, ", ") + ")")
	default:
		b.WriteString(" (" + strings.Join(p.Names, ", ") + ")" + overriding(c, refs) + " SELECT " + strings.Join(p.Values, ", ") + " FROM " + from)
	}
	if len(p.Back) > 0 {
		b.WriteString(" RETURNING " + meta.List(p.Back))
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
	types    *map[string]table.ColumnType // of the columns, when it was made
}

type templateKey struct {
	core  *table.Table
	shape string
}

// templates grows with the shapes of inserts, of which a table has few; see
// shapes.
var templates struct {
	mu sync.Mutex
	m  map[templateKey]template
}

const maxTemplates = 4096

func knownTemplate(c *table.Table, single bool, shape []byte, refs []Ref, keep bool) (template, templateKey) {
	var buffer [128]byte
	b := append(buffer[:0], shape...)
	b = append(b, boolByte(single)<<1|boolByte(keep))
	for _, r := range refs {
		b = binary.AppendUvarint(b, uint64(r.Column.Index))
		if types := r.Of.KnownTypes(); types != nil {
			b = append(append(b, (*types)[r.Of.Key[0].Column.Name].Name...), 0)
		}
	}
	key := templateKey{c, string(b)}
	templates.mu.Lock()
	t := templates.m[key]
	templates.mu.Unlock()
	if t.sql != "" && t.types != c.KnownTypes() {
		return template{}, key
	}
	return t, key
}

func keepTemplate(c *table.Table, key templateKey, t template) {
	if t.types = c.KnownTypes(); t.types == nil {
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
func overriding(c *table.Table, refs []Ref) string {
	for _, r := range refs {
		if c.IsKey(r.Column) && r.Of == c {
			return " OVERRIDING SYSTEM VALUE"
		}
	}
	return ""
}

func writableNamed(c *table.Table, quoted string) *meta.Column {
	i := slices.IndexFunc(c.Writable, func(col *meta.Column) bool { return col.Quoted == quoted })
	return c.Writable[i]
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
func DrawWrite(ctx context.Context, db smrt.DB, c *table.Table, n int, keep string) (*Write, error) {
	types, err := c.ColumnTypes(ctx, db)
	if err != nil {
		return nil, err
	}
	key := c.Key[0].Column
	w := &Write{Core: c, Op: "create", Args: []any{keep, n}}
	next := "gen_random_uuid()"
	if types[key.Name].Name != "pg_catalog.uuid" {
		next = "nextval(pg_get_serial_sequence($3, $4))"
		w.Args = append(w.Args, c.Quoted, key.Name)
	}
	w.SQL = "SELECT set_config($1, array_agg(k)::text, true) FROM (SELECT " + next + " AS k FROM generate_series(1, $2::integer)) AS drawn"
	return w, nil
}

// CanDraw tells whether keys can be drawn before their rows are created.
func CanDraw(c *table.Table) bool {
	return len(c.Key) == 1 && (table.IsInteger(c.Key[0].Column) || c.Key[0].Column.Kind == meta.KindUUID || c.Key[0].Column.Type == uuidType)
}

var uuidType = reflect.TypeFor[pgtype.UUID]()
