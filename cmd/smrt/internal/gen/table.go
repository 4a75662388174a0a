package gen

import (
	"fmt"
	"go/types"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/catalog"
)

// table is what is declared of a relation of the database.
type table struct {
	rel       *catalog.Relation
	name      string // as declarations and configuration have it
	goName    string
	structure *structure
	view      bool
	key       []*field
	keyType   types.Type // of a composite key, if the program has one
	keyName   string     // of a composite key otherwise
	options   []option
	rules     []rule
	members   []member

	toOne []*reference // by the order of foreign keys
}

// option is an option of a declaration: query.Name with functions of fields.
type option struct {
	name    string
	fields  []*field
	columns bool // it takes columns, not functions
}

// member is a field of what users see of a table.
type member struct {
	name    string
	comment string
	typ     func(w *writer) string
	value   func(w *writer) string
}

// planner decides what is declared.
type planner struct {
	config *Config
	namer  namer
	found  *findings
	models *types.Package
	tables []*table
	byOID  map[uint32]*table
}

// isView reports whether a relation is only read.
func isView(r *catalog.Relation) bool {
	return r.Kind == catalog.View || r.Kind == catalog.Materialized
}

// add plans a table, without its relations.
func (p *planner) add(r *catalog.Relation, name string, s *structure) *table {
	config := p.config.Tables[name]
	t := &table{rel: r, name: name, goName: config.Name, structure: s, view: isView(r)}
	if t.goName == "" {
		t.goName = p.namer.exported(name)
	}
	p.tables = append(p.tables, t)
	p.byOID[r.OID] = t
	p.checkNames(t)
	if !t.view || len(config.Key) > 0 {
		p.planKey(t)
	}
	p.planRoles(t)
	for i := range s.fields {
		p.planColumn(t, &s.fields[i])
	}
	return t
}

// checkNames finds configuration of columns that are not there.
func (p *planner) checkNames(t *table) {
	config := p.config.Tables[t.name]
	names := slices.Concat(config.Key, config.Default, config.ReadBack)
	for _, role := range []string{config.SoftDelete, config.CreatedAt, config.UpdatedAt, config.Version, config.Tenant} {
		if role != "" && role != "-" {
			names = append(names, role)
		}
	}
	for name := range config.Search {
		names = append(names, name)
	}
	for _, name := range names {
		if t.structure.byColumn(name) == nil {
			p.found.add("config", t.name, fmt.Sprintf("the configuration names column %q, for which %s has no field", name, t.structure.name), "")
		}
	}
}

// planKey takes the primary key, or the columns that the configuration names.
func (p *planner) planKey(t *table) {
	columns := p.config.Tables[t.name].Key
	for i := range t.rel.Indexes {
		if x := &t.rel.Indexes[i]; len(columns) == 0 && x.Primary {
			columns, _ = x.Columns()
		}
	}
	why := ""
	var key []*field
	for _, name := range columns {
		switch f := t.structure.byColumn(name); {
		case f == nil:
			why = fmt.Sprintf("%s has no field for column %q", t.structure.name, name)
		case pointed(f.typ) != nil:
			why = fmt.Sprintf("the field %s is a pointer", f.path)
		case !types.Comparable(f.typ):
			why = fmt.Sprintf("the field %s is of type %s, whose values cannot be compared", f.path, f.typ)
		default:
			key = append(key, f)
		}
	}
	switch {
	case len(columns) == 0:
		if t.rel.Kind != catalog.Foreign {
			p.found.note("key", t.name, "there is no primary key, so rows are not found by one", lines("[column]", "tables", t.name, "key"))
		}
		return
	case len(columns) > 4:
		why = fmt.Sprintf("it has %d columns, and a declaration 4 at most", len(columns))
	}
	if why != "" {
		p.found.note("key", t.name, "the key is not declared: "+why, "")
		return
	}
	t.key = key
	p.planKeyType(t)
	p.planKeyMaker(t)
}

// planKeyType finds the struct for a key of several columns.
func (p *planner) planKeyType(t *table) {
	if len(t.key) < 2 {
		return
	}
	t.keyName = p.config.Tables[t.name].KeyType
	if t.keyName == "" {
		t.keyName = t.structure.name + "Key"
	}
	obj, ok := p.models.Scope().Lookup(t.keyName).(*types.TypeName)
	if !ok {
		return
	}
	st, ok := obj.Type().Underlying().(*types.Struct)
	if !ok || st.NumFields() != len(t.key) {
		return
	}
	for _, f := range t.key {
		same := func(v *types.Var) bool { return v.Name() == f.name && types.Identical(v.Type(), f.typ) }
		found := false
		for i := range st.NumFields() {
			found = found || same(st.Field(i))
		}
		if !found {
			return
		}
	}
	t.keyType = obj.Type()
}

// planKeyMaker says who makes the key: KeyByDatabase is the default of an integer
// alone.
func (p *planner) planKeyMaker(t *table) {
	var made []*field
	for _, f := range t.key {
		if c := t.rel.Column(f.column); c.HasDefault() || c.Generated != "" {
			made = append(made, f)
		}
	}
	switch {
	case len(t.key) > 1 && len(made) > 0:
		t.options = append(t.options, option{"KeyByDatabase", made, true})
	case len(t.key) == 1 && len(made) == 0 && isInteger(t.key[0].typ):
		t.options = append(t.options, option{name: "KeyByClient"})
	case len(t.key) == 1 && len(made) == 1 && !isInteger(t.key[0].typ):
		t.options = append(t.options, option{name: "KeyByDatabase"})
	}
}

// isInteger reports whether a type is one that meta.Column calls an integer.
func isInteger(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && slices.Contains([]types.BasicKind{types.Int, types.Int16, types.Int32, types.Int64}, b.Kind()) && !readsItself(t)
}

// planColumn chooses the function that declares a column.
func (p *planner) planColumn(t *table, f *field) {
	name := f.name
	if name == "Table" {
		name = "TableColumn"
	}
	c := t.rel.Column(f.column)
	comment := fmt.Sprintf("%s %s", c.Name, c.Type)
	if c.NotNull {
		comment += " not null"
	}
	kind, argument, config := p.columnKind(t, c, f)
	t.members = append(t.members, member{
		name: name, comment: comment,
		typ: func(w *writer) string {
			return fmt.Sprintf("%s.%sColumn[%s, %s]", w.query(), columnType(kind), w.structure(t), w.typeName(argument))
		},
		value: func(w *writer) string {
			return fmt.Sprintf("%s.%s(%s%s)", w.query(), kind, config, w.accessor(t, f))
		},
	})
}

// columnType returns the name of a column's type without its ending.
func columnType(constructor string) string {
	return strings.TrimSuffix(strings.TrimPrefix(constructor, "Null"), "Col")
}

// columnKind returns the constructor of a column, the type by which the column is
// generic, and what stands in front of the accessor.
func (p *planner) columnKind(t *table, c *catalog.Column, f *field) (kind string, argument types.Type, config string) {
	if value := pointed(f.typ); value != nil {
		if isText(c) && isString(value) {
			return "NullTextCol", value, ""
		}
		return "NullCol", value, ""
	}
	slice, isSlice := types.Unalias(f.typ).(*types.Slice)
	switch {
	case isText(c) && (isString(f.typ) || isNamed(f.typ, pgtypePath, "Text")):
		return "TextCol", f.typ, ""
	case c.Element != 0 && isSlice:
		return "ArrayCol", slice.Elem(), ""
	case c.Base == pgtype.JSONBOID:
		return "JSONCol", f.typ, ""
	case isNamed(f.typ, pgtypePath, "Range"):
		return "RangeCol", types.Unalias(f.typ).(*types.Named).TypeArgs().At(0), ""
	case c.Base == pgtype.TSVectorOID:
		if search := p.search(t, c); search != "" {
			return "SearchCol", f.typ, fmt.Sprintf("%q, ", search)
		}
	}
	return "Col", f.typ, ""
}

func isString(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Kind() == types.String
}

var toTSVector = regexp.MustCompile(`to_tsvector\(('((?:[^']|'')+)'::regconfig)?`)

// search returns the text search configuration of a column, "" if it cannot be
// known.
func (p *planner) search(t *table, c *catalog.Column) string {
	if config := p.config.Tables[t.name].Search[c.Name]; config != "" {
		return config
	}
	configs := map[string]bool{}
	if c.Generated != "" {
		for _, m := range toTSVector.FindAllStringSubmatch(c.Default, -1) {
			configs[m[2]] = true
		}
	}
	if len(configs) == 1 {
		for config := range configs {
			if config != "" {
				return config
			}
		}
	}
	p.found.note("search", t.name, fmt.Sprintf("column %q is not searched: nothing tells its text search configuration", c.Name),
		lines("english", "tables", t.name, "search", c.Name))
	return ""
}
