package gen

import (
	"fmt"
	"go/types"
	"math/big"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/catalog"
)

// rule is a rule for the values of a column: query.Name(column, limits...).
type rule struct {
	name   string
	field  *field
	limits []func(w *writer) string
}

// planRules declares what the database asks of values, where Go compares as the
// server does: not the order of texts, nor what citext and char(n) say is equal.
func (p *planner) planRules(t *table, roles map[*field]bool, defaults []*field) {
	if t.view || p.config.Rules.off() || p.config.Tables[t.name].Rules.off() {
		return
	}
	for i := range t.structure.fields {
		f := &t.structure.fields[i]
		c := t.rel.Column(f.column)
		isKey := slices.Contains(t.key, f)
		if c.Generated != "" || roles[f] && !isKey || isKey && c.HasDefault() {
			continue
		}
		if c.NotNull && !isKey && !slices.Contains(defaults, f) && canBeNull(f.typ) {
			t.rules = append(t.rules, rule{name: "Required", field: f})
		}
		value := f.typ
		if to := pointed(value); to != nil {
			value = to
		}
		switch {
		case isString(value) || isNamed(value, pgtypePath, "Text"):
			t.planTextRules(c, f, value)
		default:
			if n := numbers(value); n != nil {
				t.planNumberRules(c, f, n)
			}
		}
	}
}

// canBeNull reports whether query.Required takes a field.
func canBeNull(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Pointer, *types.Slice, *types.Map:
		return true
	case *types.Struct:
		for i := range u.NumFields() {
			if f := u.Field(i); f.Name() == "Valid" && types.Identical(f.Type(), types.Typ[types.Bool]) {
				return true
			}
		}
	}
	return false
}

// planTextRules declares lengths and lists of values.
func (t *table) planTextRules(c *catalog.Column, f *field, value types.Type) {
	if c.Base != pgtype.TextOID && c.Base != pgtype.VarcharOID || !c.Exact || isString(value) && readsItself(value) {
		return
	}
	d := t.rel.Demand(c, false)
	if d.Listed { // which says more than lengths
		t.addList(f, d.List, func(v string) func(w *writer) string { return textLiteral(value, v) })
		return
	}
	lengths, one := d.Lengths, big.NewRat(1, 1)
	if lengths.Empty() || lengths.High != nil && lengths.High.Cmp(one) < 0 {
		return // nothing but NULL is left
	}
	if lengths.Low != nil && lengths.Low.Cmp(one) >= 0 {
		t.addRule("MinLength", f, plain(lengths.Low.RatString()))
	}
	if lengths.High != nil {
		t.addRule("MaxLength", f, plain(lengths.High.RatString()))
	}
}

// planNumberRules declares bounds and lists of values.
func (t *table) planNumberRules(c *catalog.Column, f *field, n *numberType) {
	if !isNumber(c) {
		return
	}
	d := t.rel.Demand(c, n.bits > 0)
	if d.Listed && n.bits > 0 {
		literal := func(v string) func(w *writer) string {
			x, ok := new(big.Rat).SetString(v)
			if !ok {
				return nil
			}
			return n.literal(x)
		}
		t.addList(f, slices.DeleteFunc(d.List, func(v string) bool { return literal(v) == nil }), literal)
		return
	}
	if d.Listed || d.Numbers.Empty() {
		return
	}
	// What no value of the field exceeds is no rule, and none leaves the bound itself out. The server compares a real
	// with a fraction as a double precision, in which it is another number.
	written := func(limit *big.Rat, strict bool) bool {
		return limit != nil && !strict && (c.Base != pgtype.Float4OID || limit.IsInt())
	}
	if written(d.Numbers.Low, d.Numbers.LowStrict) {
		t.addRule("AtLeast", f, n.literal(d.Numbers.Low))
	}
	if written(d.Numbers.High, d.Numbers.HighStrict) {
		t.addRule("AtMost", f, n.literal(d.Numbers.High))
	}
}

// isNumber reports whether values of a column compare as Go's numbers do.
func isNumber(c *catalog.Column) bool {
	return slices.Contains([]uint32{pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.NumericOID, pgtype.Float4OID, pgtype.Float8OID}, c.Base)
}

// addRule adds a rule, unless its limit cannot be written.
func (t *table) addRule(name string, f *field, limit func(w *writer) string) {
	if limit != nil {
		t.rules = append(t.rules, rule{name, f, []func(w *writer) string{limit}})
	}
}

func (t *table) addList(f *field, list []string, literal func(v string) func(w *writer) string) {
	r := rule{name: "OneOf", field: f}
	for _, v := range list {
		r.limits = append(r.limits, literal(v))
	}
	if len(list) > 0 {
		t.rules = append(t.rules, r)
	}
}

func plain(text string) func(*writer) string { return func(*writer) string { return text } }

// textLiteral returns a text as a value of a field.
func textLiteral(t types.Type, v string) func(w *writer) string {
	if isString(t) {
		return plain(fmt.Sprintf("%q", v))
	}
	return func(w *writer) string { return fmt.Sprintf("%s{String: %q, Valid: true}", w.typeName(t), v) }
}

// numberType is a type of numbers.
type numberType struct {
	typ      types.Type
	bits     int // of an integer; of int and uint those that every system has
	unsigned bool
	field    string // of a type of pgx: where its value is; "" of Numeric
	basic    bool
}

// numbers returns what is known of a type of numbers, nil of others.
func numbers(t types.Type) *numberType {
	if packageOf(t) == pgtypePath {
		n := map[string]*numberType{
			"Int2": {bits: 16, field: "Int16"}, "Int4": {bits: 32, field: "Int32"}, "Int8": {bits: 64, field: "Int64"},
			"Float4": {field: "Float32"}, "Float8": {field: "Float64"}, "Numeric": {},
		}[types.Unalias(t).(*types.Named).Obj().Name()]
		if n != nil {
			n.typ = t
		}
		return n
	}
	b, ok := t.Underlying().(*types.Basic)
	if !ok || readsItself(t) {
		return nil
	}
	bits := map[types.BasicKind]int{
		types.Int: 32, types.Int8: 8, types.Int16: 16, types.Int32: 32, types.Int64: 64,
		types.Uint: 32, types.Uint8: 8, types.Uint16: 16, types.Uint32: 32, types.Uint64: 64,
	}[b.Kind()]
	if bits == 0 && b.Kind() != types.Float32 && b.Kind() != types.Float64 {
		return nil
	}
	return &numberType{typ: t, bits: bits, unsigned: b.Info()&types.IsUnsigned != 0, basic: true}
}

// literal returns a number as a value of the type, nil if that cannot hold it, or
// holds nothing beyond it.
func (n *numberType) literal(x *big.Rat) func(w *writer) string {
	scale, _ := x.FloatPrec()
	text := x.FloatString(scale)
	digits := strings.Replace(text, ".", "", 1)
	switch {
	case n.bits > 0 && (!x.IsInt() || !n.holds(x.Num())), n.bits == 0 && len(digits) > 15:
		return nil
	case n.basic:
		return plain(text)
	case n.field != "":
		return func(w *writer) string {
			return fmt.Sprintf("%s{%s: %s, Valid: true}", w.typeName(n.typ), n.field, text)
		}
	}
	whole, _ := new(big.Int).SetString(digits, 10) // without the zeros of 0.05
	return func(w *writer) string {
		return fmt.Sprintf("%s{Int: %s.NewInt(%s), Exp: %d, Valid: true}", w.typeName(n.typ), w.imports.use("math/big", "big"), whole, -scale)
	}
}

// holds reports whether a value of the type can be on both sides of x.
func (n *numberType) holds(x *big.Int) bool {
	if n.unsigned {
		return x.Sign() > 0 && x.BitLen() <= n.bits
	}
	return x.BitLen() < n.bits
}

// rules writes the option query.Rules.
func (w *writer) rules(t *table) string {
	if len(t.rules) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s.Rules(\n", w.query())
	for _, r := range t.rules {
		column := "Col"
		if pointed(r.field.typ) != nil {
			column = "NullCol"
		}
		generic := ""
		if r.name == "Required" { // which takes columns of any type
			generic = "[" + w.structure(t) + "]"
		}
		fmt.Fprintf(&b, "%s.%s%s(%s.%s(%s)", w.query(), r.name, generic, w.query(), column, w.accessor(t, r.field))
		for _, limit := range r.limits {
			b.WriteString(", " + limit(w))
		}
		b.WriteString("),\n")
	}
	return b.String() + ")"
}
