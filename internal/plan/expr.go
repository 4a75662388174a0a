package plan

import (
	"fmt"
	"reflect"
	"strings"

	sq "github.com/Masterminds/squirrel"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// Expression is what can be compared: a column of a row, or what stands for one.
type Expression struct {
	Column *meta.Column
	Elem   *meta.Column // a value by itself, for lists
}

// Computed returns what n computes, with values like elem. It has a name for
// errors.
func Computed(elem *meta.Column, name string, nullable bool, n *Node) Expression {
	c := *elem
	c.Name, c.Nullable, c.Expr = name, nullable, n
	return Expression{&c, elem}
}

// Collated returns what c is with another collation, whose name is one identifier:
// it may have a dot, as "en_US.utf8" has.
func Collated(elem, c *meta.Column, collation string) Expression {
	n := &Node{Op: Raw, SQL: "$1 COLLATE " + meta.Quote(collation), Args: []any{ValueOf(c)}}
	if err := meta.CheckIdent(collation); err != nil {
		n.Err = &smrt.QueryError{Reason: fmt.Sprintf("a collation: %v", err)}
	}
	return Computed(elem, c.Name, c.Nullable, n)
}

// OfferedValue returns what c is in the row that an upsert could not insert.
func OfferedValue(elem, c *meta.Column) Expression {
	n := &Node{Op: Offered, Column: c}
	if c.Expr != nil {
		n.Err = &smrt.QueryError{Reason: "Excluded takes a column, not " + c.Name}
	}
	return Computed(elem, c.Name, c.Nullable, n)
}

// Declared returns the column of x, or what stands for that of a zero Column.
//
// It and what follows are what the methods of query's columns do. None is
// generic: a program has each of those methods four times for each pair of an
// entity and a type of values, which takes the compiler long if they are large.
func (x Expression) Declared() *meta.Column {
	if x.Column == nil {
		return Undeclared
	}
	return x.Column
}

// Node returns the condition op with the operand v.
func (x Expression) Node(op Op, v any) Node {
	return Node{Op: op, Column: x.Declared(), A: Copy(v)}
}

// IsNull reports whether v stands for NULL: a nil pointer, or a type of its own
// with a Valid field that is false, such as sql.NullString or pgtype.Int4.
func (x Expression) IsNull(v any) bool { return x.Elem != nil && x.Elem.Nullable && IsNullValue(v) }

// Equal holds where x is v, or NULL if v stands for it.
func (x Expression) Equal(v any) Node {
	if x.IsNull(v) {
		return x.Node(IsNull, nil)
	}
	return x.Node(Eq, v)
}

// NotEqual holds where Equal does not.
func (x Expression) NotEqual(v any) Node {
	switch {
	case x.IsNull(v):
		return x.Node(NotNull, nil)
	case x.Declared().Nullable:
		return x.Node(Distinct, v)
	}
	return x.Node(Ne, v)
}

// Between holds where x is at least low and at most high.
func (x Expression) Between(low, high any) Node {
	n := x.Node(Between, low)
	n.B = Copy(high)
	return n
}

// Order returns the order by x.
func (x Expression) Order(desc bool) meta.Order { return meta.Order{Column: x.Declared(), Desc: desc} }

// Assign returns the assignment of v to the column x, of NULL if v stands for it.
func (x Expression) Assign(v any) Set {
	if x.IsNull(v) {
		return Set{Op: SetNull, Column: x.Declared()}
	}
	return Set{Op: SetValue, Column: x.Declared(), A: Copy(v)}
}

// AssignSQL returns the assignment of a fragment to the column x.
func (x Expression) AssignSQL(sql string, args []any, err error) Set {
	return Set{Op: SetRaw, Column: x.Declared(), SQL: sql, Args: args, Err: err}
}

// ValueOf returns what c is in a row, as an argument of a fragment.
func ValueOf(c *meta.Column) *Node { return &Node{Op: Value, Column: c} }

// Arguments returns the arguments of a fragment on rows of an entity, in which
// its own columns and expressions are nodes already. Those of other entities are
// refused, and floats without a cast.
func Arguments(sql string, entity reflect.Type, args []any) ([]any, error) {
	for i, v := range args {
		switch v := v.(type) {
		case *Node:
		case interface{ Plan() *meta.Column }:
			return nil, &smrt.QueryError{Reason: fmt.Sprintf("argument %d of a fragment on %s is a %T, which is of another entity", i+1, entity, v)}
		default:
			args[i] = Copy(v)
		}
	}
	return args, CheckFloats(sql, args)
}

// Compare returns the condition that two values of a row compare as op says. As
// in Go, "=" holds if both are NULL and "<>" if one is.
func Compare(a *meta.Column, op string, b *meta.Column) Node {
	n := Node{Op: Raw, SQL: "$1 " + op + " $2", Args: []any{ValueOf(a), ValueOf(b)}}
	switch op {
	case "=":
		if a.Nullable && b.Nullable {
			n.SQL = "$1 IS NOT DISTINCT FROM $2"
		}
	case "<>":
		if a.Nullable || b.Nullable {
			n.SQL = "$1 IS DISTINCT FROM $2"
		}
	case "<", "<=", ">", ">=":
	default:
		n.Err = badComparison(op)
	}
	return n
}

func badComparison(op string) error {
	return &smrt.QueryError{Reason: fmt.Sprintf("there is no comparison %.40q: it is one of = <> < <= > >=", op)}
}

// Output is a value that is read into a field.
type Output struct {
	Column *meta.Column // what is selected
	Target meta.Target  // where it goes
	Err    error
}

// CheckOutputs refuses outputs that cannot be read, or of which two go to one
// field.
func CheckOutputs(outputs []Output) error {
	for i, o := range outputs {
		if o.Err != nil {
			return o.Err
		}
		for _, other := range outputs[:i] {
			if o.Column != nil && other.Column != nil && o.Target.Column.Offset == other.Target.Column.Offset {
				return &smrt.QueryError{Reason: fmt.Sprintf("the outputs %q and %q go to one field", other.Column.Name, o.Column.Name)}
			}
		}
	}
	return nil
}

// OutputOf returns an output into a field of r that has the type t.
func OutputOf(c *meta.Column, r, t reflect.Type, field meta.Accessor) Output {
	offset, err := meta.Locate(r, field)
	if err != nil {
		return Output{Column: c, Err: &smrt.QueryError{Reason: fmt.Sprintf("output %q: %v", c.Name, err)}}
	}
	return Output{Column: c, Target: meta.Target{Column: meta.NewColumn(c.Name, t, offset)}}
}

// column renders a column, or what is computed in its place.
func (w *renderer) column(c *meta.Column) sq.Sqlizer {
	switch {
	case c.Expr != nil:
		return w.node(c.Expr.(*Node))
	case w.qualified || w.offered != nil: // the columns of two rows have this name
		return sq.Expr(escape(w.scope.column(c)))
	}
	return sq.Expr(escape(c.Quoted))
}

// value renders an operand of a fragment. It has the name of its table, because
// the fragment may have a subquery whose table has a column of the same name.
func (w *renderer) value(c *meta.Column) sq.Sqlizer {
	if c.Expr != nil {
		return w.column(c)
	}
	return sq.Expr(escape(w.scope.column(c)))
}

// cast gives the operands of a template a type.
func cast(template, to string) string {
	return strings.NewReplacer("ANY(?)", "ANY(?::"+to+"[])", "ALL(?)", "ALL(?::"+to+"[])", "?", "?::"+to).Replace(template)
}

// comparison renders an operator on a column. The arguments of an expression
// come before the operands, wherever the template has it.
func (w *renderer) comparison(n *Node) sq.Sqlizer {
	column := w.column(n.Column)
	template := templates[n.Op]
	if n.Column.Expr != nil { // else an integer of the server would take a float's whole part
		switch n.Column.Encode {
		case meta.KindFloat32: // 0.1 as a float8 is not that of a real
			template = cast(template, "real")
		case meta.KindFloat64:
			template = cast(template, "float8")
		}
	}
	args := make([]any, 0, 3)
	for _, c := range template {
		switch c {
		case '%':
			args = append(args, column)
		case '?':
			args = append(args, w.arg())
		}
	}
	return w.unaltered(strings.ReplaceAll(template, "%", "?"), args, n)
}
