package gen

import (
	"fmt"
	"go/types"
	"slices"
	"strings"

	"github.com/smrt-go/smrt/internal/catalog"
)

// reference is a foreign key between two tables that are declared.
type reference struct {
	from, to *table
	key      *catalog.ForeignKey
	fields   []*field // of from, in the order of the key of to
	name     string   // of the relation to one, before the columns are looked at
}

// planReferences finds the foreign keys that a relation can be made of.
func (p *planner) planReferences() {
	for _, t := range p.tables {
		seen := map[string]bool{}
		for i := range t.rel.Foreign {
			k := &t.rel.Foreign[i]
			same := fmt.Sprint(k.Columns, k.Target, k.References)
			if seen[same] {
				continue
			}
			seen[same] = true
			if r, why := p.reference(t, k); why != "" {
				p.found.note("relation", t.name, fmt.Sprintf("the foreign key %s to %s is no relation: %s", k.Name, k.TargetName, why), "")
			} else {
				t.toOne = append(t.toOne, r)
			}
		}
	}
}

// reference returns the foreign key, or why it cannot be one.
func (p *planner) reference(t *table, k *catalog.ForeignKey) (*reference, string) {
	to := p.byOID[k.Target]
	switch {
	case to == nil:
		return nil, "the table is not declared"
	case len(to.key) == 0:
		return nil, "the table is declared without a key"
	}
	r := &reference{from: t, to: to, key: k}
	for _, part := range to.key {
		i := slices.Index(k.References, part.column)
		if i < 0 || len(k.References) != len(to.key) {
			return nil, "it references " + strings.Join(k.References, ", ") + ", which is not the key of the declaration"
		}
		f := t.structure.byColumn(k.Columns[i])
		if f == nil {
			return nil, fmt.Sprintf("%s has no field for column %q", t.structure.name, k.Columns[i])
		}
		if !refers(f.typ, part.typ, len(to.key) > 1) {
			return nil, fmt.Sprintf("%s.%s is of type %s, and %s.%s of type %s", t.structure.name, f.path, typeText(f.typ), to.structure.name, part.path, typeText(part.typ))
		}
		r.fields = append(r.fields, f)
	}
	r.name = p.toOneName(r)
	return r, ""
}

func typeText(t types.Type) string { return types.TypeString(t, (*types.Package).Name) }

// refers reports whether a field of a type can hold a key of another, as
// preload.ForeignKey says.
func refers(f, key types.Type, composite bool) bool {
	if types.Identical(f, key) {
		return true
	}
	if value := pointed(f); value != nil {
		return types.Identical(value, key)
	}
	if composite {
		return false
	}
	n, ok := types.Unalias(f).(*types.Named)
	if !ok {
		return false
	}
	if isNamed(f, "database/sql", "Null") {
		return types.Identical(n.TypeArgs().At(0), key)
	}
	if packageOf(f) != pgtypePath {
		return false
	}
	b, ok := key.Underlying().(*types.Basic)
	if !ok {
		array, isArray := key.Underlying().(*types.Array)
		return isArray && array.Len() == 16 && n.Obj().Name() == "UUID"
	}
	kinds := map[string][]types.BasicKind{"Int2": {types.Int16}, "Int4": {types.Int32}, "Int8": {types.Int64}, "Text": {types.String}}
	return slices.Contains(kinds[n.Obj().Name()], b.Kind())
}

// toOneName is the name of the column that is not only there because the key of
// the other table has it too, as a tenant is.
func (p *planner) toOneName(r *reference) string {
	var own []*field
	for i, f := range r.fields {
		if len(r.fields) == 1 || f.column != r.to.key[i].column {
			own = append(own, f)
		}
	}
	if len(own) == 1 {
		if name := withoutKey(own[0].name); name != "" {
			return name
		}
	}
	return r.to.structure.name
}

// hasColumn reports whether a table has a column of that name in Go.
func (t *table) hasColumn(name string) bool {
	return name == "Table" || slices.ContainsFunc(t.structure.fields, func(f field) bool { return f.name == name })
}

// relate adds a relation to the members of a table.
func (p *planner) relate(t *table, m member, path ...string) {
	config := p.config.Tables[path[1]].Relations[path[3]]
	if name := map[string]string{"one": config.One, "many": config.Many, "through": config.Through}[path[4]]; name == "-" {
		return
	} else if name != "" {
		m.name = name
	}
	for _, other := range t.members {
		if other.name == m.name {
			p.found.add("clash", t.name, fmt.Sprintf("%s (%s) and %s would both be called %s", other.name, other.comment, m.comment, m.name),
				lines(m.name+"Other", path...))
		}
	}
	t.members = append(t.members, m)
}

// planRelations makes relations of the foreign keys: to one, to many, and through
// join tables.
func (p *planner) planRelations() {
	for _, t := range p.tables {
		for _, r := range t.toOne {
			p.planToOne(r)
		}
	}
	for _, t := range p.tables {
		for _, r := range t.toOne {
			p.planToMany(r)
		}
	}
	for _, t := range p.tables {
		for _, pair := range t.joins() {
			p.planThrough(pair[0], pair[1])
			p.planThrough(pair[1], pair[0])
		}
	}
}

func (p *planner) planToOne(r *reference) {
	name := r.name
	if r.from.hasColumn(name) {
		name += r.to.structure.name
	}
	p.relate(r.from, member{
		name: name, comment: "the row of " + r.to.name + " by " + r.columns(),
		typ: func(w *writer) string { return w.relation("ToOne", r.from, r.to) },
		value: func(w *writer) string {
			return fmt.Sprintf("%s.BelongsTo(%s, %s, %s)", w.preload(), r.from.variable(), r.to.variable(), w.foreignKey(r))
		},
	}, "tables", r.from.name, "relations", r.key.Name, "one")
}

// planToMany plans the way back: to one row if the foreign key is unique.
func (p *planner) planToMany(r *reference) {
	name, kind, constructor := r.from.goName, "ToMany", "HasMany"
	if r.unique() {
		name, kind, constructor = r.from.structure.name, "ToOne", "HasOne"
	}
	if r.name != r.to.structure.name || r.to.hasColumn(name) {
		name += "By" + r.name
	}
	p.relate(r.to, member{
		name: name, comment: fmt.Sprintf("the rows of %s by its %s", r.from.name, r.columns()),
		typ: func(w *writer) string { return w.relation(kind, r.to, r.from) },
		value: func(w *writer) string {
			return fmt.Sprintf("%s.%s(%s, %s, %s)", w.preload(), constructor, r.to.variable(), r.from.variable(), w.foreignKey(r))
		},
	}, "tables", r.from.name, "relations", r.key.Name, "many")
}

// planThrough plans the relation from the table that left references to the one
// that right references.
func (p *planner) planThrough(left, right *reference) {
	parent, join, target := left.to, left.from, right.to
	name := target.goName + "Via" + join.goName
	if joinsNames(join.name, parent.name, target.name) && !parent.hasColumn(target.goName) {
		name = target.goName
	}
	if parent == target {
		name = target.goName + "Via" + join.goName + "By" + left.name
	}
	p.relate(parent, member{
		name: name, comment: fmt.Sprintf("the rows of %s by %s", target.name, join.name),
		typ: func(w *writer) string { return w.relation("ToMany", parent, target) },
		value: func(w *writer) string {
			return fmt.Sprintf("%s.ManyToMany(%s, %s, %s,\n%s, %s)", w.preload(), parent.variable(), join.variable(), target.variable(),
				w.foreignKey(left), w.foreignKey(right))
		},
	}, "tables", join.name, "relations", left.key.Name, "through")
}

// columns lists the columns of a foreign key.
func (r *reference) columns() string { return strings.Join(r.key.Columns, ", ") }

// unique reports whether one row at most can hold a value of the foreign key.
func (r *reference) unique() bool {
	return slices.ContainsFunc(r.from.uniques(), func(columns []string) bool { return contains(r.key.Columns, columns) })
}

// uniques returns the columns of keys that hold for all rows.
func (t *table) uniques() (all [][]string) {
	for i := range t.rel.Indexes {
		x := &t.rel.Indexes[i]
		if columns, ok := x.Columns(); ok && x.Unique && x.Valid && x.Predicate == "" {
			all = append(all, columns)
		}
	}
	return all
}

// contains reports whether all of part is in whole.
func contains(whole, part []string) bool {
	return !slices.ContainsFunc(part, func(s string) bool { return !slices.Contains(whole, s) })
}

// joins returns the pairs of foreign keys that make a key of the table.
func (t *table) joins() (pairs [][2]*reference) {
	if t.view {
		return nil
	}
	uniques := slices.DeleteFunc(t.uniques(), func(columns []string) bool {
		return slices.ContainsFunc(columns, func(name string) bool { return !t.rel.Column(name).NotNull })
	})
	for i, a := range t.toOne {
		for _, b := range t.toOne[i+1:] {
			both := slices.Concat(a.key.Columns, b.key.Columns)
			if contains(a.key.Columns, b.key.Columns) || contains(b.key.Columns, a.key.Columns) {
				continue
			}
			if slices.ContainsFunc(uniques, func(columns []string) bool { return contains(both, columns) && contains(columns, both) }) {
				pairs = append(pairs, [2]*reference{a, b})
			}
		}
	}
	return pairs
}
