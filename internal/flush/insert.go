package flush

import (
	"encoding/binary"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
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
	if err := s.Table.CheckRows(s.Catalog, s.Rows); err != nil {
		return Statement{}, err
	}
	in, err := newInputs(s, s.Rows.N > 1)
	if err != nil {
		return Statement{}, err
	}
	args, err := in.record()
	if err != nil {
		return Statement{}, err
	}
	if s.Setting != "" {
		args = append(args, s.Setting)
	}
	var buffer [512]byte
	st := s.Table.Statement(s.appendKey(buffer[:0], in.arrays), func() *table.Statement { return s.insertStatement(&in) })
	return Statement{Step: s, SQL: st.SQL, Args: args, match: st.Match, returned: st.Returned}, nil
}

// appendKey appends what the text of an insert depends on.
func (s *Step) appendKey(b []byte, arrays []table.ArrayType) []byte {
	b = append(b, 'f', plan.BoolByte(s.guards())<<2|plan.BoolByte(s.Rows.N == 1)<<1|plan.BoolByte(s.Setting != ""))
	b = append(b, s.Shape...)
	for i := range s.Refs {
		r := &s.Refs[i]
		b = binary.AppendUvarint(b, uint64(r.Column.Index)<<1|uint64(plan.BoolByte(r.Own)))
		b = append(append(b, r.Type...), 0)
	}
	return table.AppendArrayTypes(b, arrays)
}

func (s *Step) insertStatement(in *inputs) *table.Statement {
	t, p, text := s.Table, s.Table.InsertParts(s.Shape), in.write(false)
	st := &table.Statement{Columns: p.Args, Returned: meta.TargetsOf(p.Back, 0), Operation: "create"}
	if in.arrays != nil && len(p.Back) > 0 {
		st.Match = t.Known(p, nil)
	}
	var list []string
	for _, col := range slices.Concat(st.Match, p.Back) {
		list = append(list, col.Quoted)
	}
	sql := t.InsertSQL(p, text, s.overriding())
	switch {
	case s.Setting != "" && in.arrays != nil:
		st.SQL = keepKeys(sql, list, t.KeysMade(s.Shape), in.next())
		if s.guards() {
			st.SQL += table.FailIfLeftOut(len(list), text.Count)
		}
		return st
	case s.Setting != "":
		for i, key := range t.KeysMade(s.Shape) {
			list = append(list, keep(in.next(), i, "ARRAY["+key.Quoted+"]"))
		}
	}
	switch {
	case s.guards():
		st.SQL = table.Guarded(sql, list, text.Count)
	case len(list) > 0:
		st.SQL = sql + " RETURNING " + strings.Join(list, ", ")
	default:
		st.SQL = sql
	}
	return st
}

// guards reports whether the server must refuse to leave out rows. A unit is
// written as a whole, whatever the table declares.
func (s *Step) guards() bool { return s.Catalog.Guardable }

// overriding lets a key be written that was reserved.
func (s *Step) overriding() string {
	if slices.ContainsFunc(s.Refs, func(r Ref) bool { return r.Own }) {
		return " OVERRIDING SYSTEM VALUE"
	}
	return ""
}

// keepKeys makes an insert of several rows leave its keys in a setting. Rows of a
// WITH part come in the order they were inserted.
func keepKeys(insert string, list []string, keys []*meta.Column, setting string) string {
	names := make([]string, len(list))
	for i := range names {
		names[i] = "r" + strconv.Itoa(i)
	}
	columns := strings.Join(names, ", ")
	returning, kept := slices.Clip(list), make([]string, len(keys))
	for i, key := range keys {
		name := "k" + strings.Repeat("k", i)
		names, returning = append(names, name), append(returning, key.Quoted)
		kept[i] = keep(setting, i, "array_agg(smrt_i."+name+")")
	}
	return "WITH smrt_i(" + strings.Join(names, ", ") + ") AS (" + insert + " RETURNING " + strings.Join(returning, ", ") +
		"), smrt_k AS MATERIALIZED (SELECT " + strings.Join(kept, ", ") + " FROM smrt_i) SELECT " + columns + " FROM smrt_k, smrt_i"
}

// keep leaves keys, or one of the parts of them that the server makes, in a
// setting.
func keep(setting string, part int, keys string) string {
	if part > 0 {
		setting += "::text || '" + KeySetting("", part) + "'"
	}
	return "set_config(" + setting + ", " + keys + "::text, true)"
}

// KeySetting returns the name of the setting that has one of the parts of the keys
// that the server makes. The first is in the one with the given name; mostly there
// are no others.
func KeySetting(name string, part int) string {
	if part == 0 {
		return name
	}
	return name + "_" + strconv.Itoa(part)
}

// reserveKeys draws keys before their rows are created, and leaves them in a
// setting: for rows that refer to each other in a ring.
func (s *Step) reserveKeys() Statement {
	key := s.Table.MadeKey()
	args, next := []any{s.Setting, s.Count}, "gen_random_uuid()"
	if s.Catalog.Columns[key.Name].Name != "pg_catalog.uuid" {
		next = "nextval(pg_get_serial_sequence($3, $4))"
		args = append(args, s.Table.Quoted, key.Name)
	}
	return Statement{Step: s, Args: args, SQL: "SELECT set_config($1, array_agg(k)::text, true) FROM (SELECT " + next +
		" AS k FROM generate_series(1, $2::integer)) AS drawn"}
}

// CanReserveKeys reports whether the server makes keys that can be drawn before
// their rows are created.
func CanReserveKeys(t *table.Table) bool {
	key := t.MadeKey()
	return key != nil && (key.IsInteger() || key.Kind == meta.KindUUID || key.Type == uuidType)
}

var uuidType = reflect.TypeFor[pgtype.UUID]()
