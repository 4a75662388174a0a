package gen

import (
	"fmt"
	"go/types"
	"strings"
)

const modulePath = "github.com/smrt-go/smrt"

// writer writes the file with the declarations.
type writer struct {
	imports imports
	models  *types.Package
	body    strings.Builder
}

func (w *writer) query() string   { return w.imports.use(modulePath+"/query", "query") }
func (w *writer) preload() string { return w.imports.use(modulePath+"/preload", "preload") }

// typeName returns a type as the file names it.
func (w *writer) typeName(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string { return w.imports.use(p.Path(), p.Name()) })
}

// structure returns the struct of a table as the file names it.
func (w *writer) structure(t *table) string {
	return w.imports.use(w.models.Path(), w.models.Name()) + "." + t.structure.name
}

// keyTypeName returns the type of a key.
func (w *writer) keyTypeName(t *table) string {
	switch {
	case len(t.key) == 0:
		return w.query() + ".NoKey"
	case len(t.key) == 1:
		return w.typeName(t.key[0].typ)
	case t.keyType != nil:
		return w.imports.use(w.models.Path(), w.models.Name()) + "." + t.keyName
	default:
		return t.keyName
	}
}

// accessor returns the function that returns the address of a field.
func (w *writer) accessor(t *table, f *field) string {
	return fmt.Sprintf("func(r *%s) *%s { return &r.%s }", w.structure(t), w.typeName(f.typ), f.path)
}

// variable returns the name of the variable that only declarations refer to.
func (t *table) variable() string { return "table" + t.goName }

// relation returns the type of a relation.
func (w *writer) relation(kind string, from, to *table) string {
	return fmt.Sprintf("%s.%s[%s, %s]", w.preload(), kind, w.structure(from), w.structure(to))
}

// foreignKey returns how a row references another one.
func (w *writer) foreignKey(r *reference) string {
	if len(r.fields) == 1 {
		return w.accessor(r.from, r.fields[0])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s.Key[%s, %s]{\n", w.query(), w.structure(r.from), w.keyTypeName(r.to))
	for i, f := range r.fields {
		part := r.to.key[i]
		function := "Part"
		if !types.Identical(f.typ, part.typ) {
			function = "NullPart"
		}
		b.WriteString(w.part(function, r.from, f, r.to, part))
	}
	return b.String() + "}"
}

// part ties a column to a field of a key.
func (w *writer) part(function string, t *table, f *field, of *table, in *field) string {
	return fmt.Sprintf("%s.%s(%s, func(k *%s) *%s { return &k.%s }),\n",
		w.query(), function, w.accessor(t, f), w.keyTypeName(of), w.typeName(in.typ), in.name)
}

// write returns the file.
func (w *writer) write(pkg string, tables []*table) string {
	for _, t := range tables {
		w.keyStruct(t)
		w.table(t)
		w.fields(t)
	}
	return header + fmt.Sprintf("\n// Package %s declares the tables of a database: what rows are read into, columns, and relations.\npackage %s\n\n", pkg, pkg) +
		w.imports.text() + w.body.String()
}

// keyStruct writes the type of a key that the program does not have.
func (w *writer) keyStruct(t *table) {
	if len(t.key) < 2 || t.keyType != nil {
		return
	}
	fmt.Fprintf(&w.body, "\n%s\ntype %s struct {\n", doc(t.keyName, "is the key of "+t.name), t.keyName)
	for _, f := range t.key {
		fmt.Fprintf(&w.body, "\t%s %s\n", f.name, w.typeName(f.typ))
	}
	w.body.WriteString("}\n")
}

// table writes the first layer, which refers to no other table.
func (w *writer) table(t *table) {
	fmt.Fprintf(&w.body, "\nvar %s = ", t.variable())
	entity := w.structure(t)
	switch {
	case t.view && len(t.key) == 0:
		fmt.Fprintf(&w.body, "%s.NewView[%s](%q", w.query(), entity, t.name)
	case len(t.key) == 0:
		fmt.Fprintf(&w.body, "%s.NewKeylessTable[%s](%q", w.query(), entity, t.name)
	case len(t.key) == 1:
		fmt.Fprintf(&w.body, "%s.NewTable(%q, %s", w.query(), t.name, w.accessor(t, t.key[0]))
	default:
		fmt.Fprintf(&w.body, "%s.NewCompositeTable(%q, %s.Key[%s, %s]{\n", w.query(), t.name, w.query(), entity, w.keyTypeName(t))
		for _, f := range t.key {
			w.body.WriteString(w.part("Part", t, f, t, f))
		}
		w.body.WriteString("}")
	}
	for _, o := range t.options {
		w.body.WriteString(",\n\t" + w.option(t, o))
	}
	if rules := w.rules(t); rules != "" {
		w.body.WriteString(",\n\t" + rules)
	}
	w.body.WriteString(")\n")
}

func (w *writer) option(t *table, o option) string {
	var arguments []string
	for _, f := range o.fields {
		argument := w.accessor(t, f)
		if o.columns {
			argument = fmt.Sprintf("%s.Col(%s)", w.query(), argument)
		}
		arguments = append(arguments, argument)
	}
	generic := ""
	if o.columns || len(o.fields) == 0 {
		generic = "[" + w.structure(t) + "]"
	}
	if len(arguments) > 1 {
		return fmt.Sprintf("%s.%s%s(\n%s,\n)", w.query(), o.name, generic, strings.Join(arguments, ",\n"))
	}
	return fmt.Sprintf("%s.%s%s(%s)", w.query(), o.name, generic, strings.Join(arguments, ""))
}

// fields writes the second layer, which users see.
func (w *writer) fields(t *table) {
	table := fmt.Sprintf("*%s.Table[%s, %s]", w.query(), w.structure(t), w.keyTypeName(t))
	kind := "table"
	if t.view {
		kind = "view"
	}
	fmt.Fprintf(&w.body, "\ntype fields%s struct {\n\tTable %s%s\n", t.goName, table, comment(t.name))
	for _, m := range t.members {
		fmt.Fprintf(&w.body, "\t%s %s%s\n", m.name, m.typ(w), comment(m.comment))
	}
	fmt.Fprintf(&w.body, "}\n\n%s\nvar %s = fields%s{\n\tTable: %s,\n", doc(t.goName, "is the "+kind+" "+t.name), t.goName, t.goName, t.variable())
	for _, m := range t.members {
		fmt.Fprintf(&w.body, "\t%s: %s,\n", m.name, m.value(w))
	}
	w.body.WriteString("}\n")
}
