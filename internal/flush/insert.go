package flush

import (
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
)

// AppendShape appends how the columns of the entity at p are written by an
// insert. Rows of one shape can be in one statement. The columns refs get keys
// of other rows, and those in late are NULL at first.
func AppendShape(shape []byte, t *table.Table, p unsafe.Pointer, refs, late []*meta.Column) ([]byte, error) {
	for _, col := range t.Writable {
		switch {
		case slices.Contains(refs, col):
			shape = append(shape, table.ByRef)
			continue
		case slices.Contains(late, col):
			shape = append(shape, table.ByNull)
			continue
		}
		how, err := t.InsertMode(col, p)
		if err != nil {
			return nil, err
		}
		shape = append(shape, how)
	}
	return shape, nil
}

// insert creates rows of one shape. One row travels by its values, more as
// arrays.
func (s *Step) insert() (Statement, error) {
	if err := s.Table.CheckRows(*s.Types, s.Rows); err != nil {
		return Statement{}, err
	}
	key := s.templateKey()
	known := lookUpTemplate(key, s.Types)
	var parts table.InsertParts
	if known.sql == "" {
		parts = s.Table.InsertParts(s.Shape)
		known.columns = parts.Args
	}
	in := &inputs{step: s, columns: known.columns}
	if s.Rows.N > 1 {
		var err error
		if in, err = newInputs(s, known.columns); err != nil {
			return Statement{}, err
		}
	}
	args, err := in.record()
	if err != nil {
		return Statement{}, err
	}
	if s.Setting != "" {
		args = append(args, s.Setting)
	}
	if known.sql == "" {
		known.sql, known.returned, known.types = s.insertSQL(in, parts), meta.TargetsOf(parts.Back, 0), s.Types
		keepTemplate(key, known)
	}
	return Statement{Step: s, SQL: known.sql, Args: args, returned: known.returned}, nil
}

func (s *Step) insertSQL(in *inputs, p table.InsertParts) string {
	t := in.write(false)
	n, refs := 0, 0
	for i, v := range p.Values {
		switch v {
		case "":
			p.Values[i] = t.exprs[p.Args[n]]
			n++
		case table.RefValue:
			p.Values[i] = t.exprs[p.Refs[refs]]
			refs++
		}
	}
	var b strings.Builder
	b.WriteString("INSERT INTO " + s.Table.Quoted)
	switch names := " (" + strings.Join(p.Names, ", ") + ")" + s.overriding(); {
	case len(p.Names) == 0:
		b.WriteString(" DEFAULT VALUES")
	case t.from == "":
		b.WriteString(names + " VALUES (" + strings.Join(p.Values, ", ") + ")")
	default:
		b.WriteString(names + " SELECT " + strings.Join(p.Values, ", ") + " FROM " + t.from)
	}
	if len(p.Back) > 0 {
		b.WriteString(" RETURNING " + meta.List(p.Back))
	}
	if s.Setting == "" {
		return b.String()
	}
	return keepKeys(b.String(), s.Table.Key[0].Column, in.next(), t.from == "")
}

// overriding lets a key be written that was reserved.
func (s *Step) overriding() string {
	if slices.ContainsFunc(s.Refs, func(r Ref) bool { return r.Own }) {
		return " OVERRIDING SYSTEM VALUE"
	}
	return ""
}

// keepKeys makes an insert leave its keys in a setting. One row can do that in
// its RETURNING list. Rows of a WITH part come in the order they were inserted.
func keepKeys(sql string, key *meta.Column, setting string, one bool) string {
	if one {
		return sql + ", set_config(" + setting + ", ARRAY[" + key.Quoted + "]::text, true)"
	}
	return "WITH smrt_i AS (" + sql + "), smrt_k AS MATERIALIZED (SELECT set_config(" + setting +
		", array_agg(smrt_i." + key.Quoted + ")::text, true) FROM smrt_i) SELECT smrt_i.* FROM smrt_k, smrt_i"
}

// template is the text of an insert that was made before, with what goes in and
// what comes back. Making it takes a third of the time of a flush.
type template struct {
	sql      string
	columns  []*meta.Column
	returned []meta.Target
	types    *Types // of the columns, when it was made
}

type templateKey struct {
	table *table.Table
	shape string
}

// templates grows with the shapes of inserts, of which a table has few.
var templates struct {
	mu sync.Mutex
	m  map[templateKey]template
}

const maxTemplates = 4096

// templateKey returns what the text of an insert depends on.
func (s *Step) templateKey() templateKey {
	var buffer [128]byte
	b := append(buffer[:0], s.Shape...)
	b = append(b, boolByte(s.Rows.N == 1)<<1|boolByte(s.Setting != ""))
	for i := range s.Refs {
		r := &s.Refs[i]
		b = binary.AppendUvarint(b, uint64(r.Column.Index)<<1|uint64(boolByte(r.Own)))
		b = append(append(b, r.Type...), 0)
	}
	return templateKey{s.Table, string(b)}
}

// lookUpTemplate returns a template, empty if there is none for these types.
func lookUpTemplate(key templateKey, types *Types) template {
	templates.mu.Lock()
	defer templates.mu.Unlock()
	if t := templates.m[key]; t.types == types {
		return t
	}
	return template{}
}

func keepTemplate(key templateKey, t template) {
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

// reserveKeys draws keys before their rows are created, and leaves them in a
// setting: for rows that refer to each other in a ring.
func (s *Step) reserveKeys() Statement {
	key := s.Table.Key[0].Column
	args, next := []any{s.Setting, s.Count}, "gen_random_uuid()"
	if (*s.Types)[key.Name].Name != "pg_catalog.uuid" {
		next = "nextval(pg_get_serial_sequence($3, $4))"
		args = append(args, s.Table.Quoted, key.Name)
	}
	return Statement{Step: s, Args: args, SQL: "SELECT set_config($1, array_agg(k)::text, true) FROM (SELECT " + next +
		" AS k FROM generate_series(1, $2::integer)) AS drawn"}
}

// CanReserveKeys reports whether keys can be drawn before their rows are created.
func CanReserveKeys(t *table.Table) bool {
	if len(t.Key) != 1 {
		return false
	}
	key := t.Key[0].Column
	return key.IsInteger() || key.Kind == meta.KindUUID || key.Type == uuidType
}

var uuidType = reflect.TypeFor[pgtype.UUID]()
