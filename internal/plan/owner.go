package plan

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// # Tenants
//
// Each condition on which rows of a table a statement sees is made in one place,
// seen, for rows that are deleted softly and for tenants alike. The condition of a
// tenant stands in the text as a mark, which becomes
//
//	"orders"."tenant_id" = $7
//
// when the whole statement is rendered, or true where the context is for all
// tenants. The value is one argument for all tables of the statement whose columns
// have one kind, behind all others. So texts that have no arguments of their own,
// such as the steps of a recursion, carry it too; and the key of a shape says that
// a tenant is bound, and not which.
//
// A statement with a mark that nobody bound is refused. It cannot be sent.

// Owner is whose rows a statement is about.
type Owner struct {
	ID  any   // of the column's type; nil: of nobody in particular
	Arg any   // what is sent of it
	Int int64 // of an integer
	All bool  // rows of all tenants
}

// Bound reports whether the rows are of one tenant.
func (o Owner) Bound() bool { return o.ID != nil }

// AppendKey appends to the key of a shape whether a tenant is bound. It appends
// nothing for a table without tenants.
func (o Owner) AppendKey(shape []byte) []byte {
	switch {
	case o.All:
		return append(shape, 'A')
	case o.Bound():
		return append(shape, 'T')
	}
	return shape
}

// AppendArg appends what is sent of a bound tenant.
func (o Owner) AppendArg(args []any) []any {
	if o.Bound() {
		return append(args, o.Arg)
	}
	return args
}

// Fingerprint tells the owner from others. It writes nothing for a table without
// tenants.
func (o Owner) Fingerprint(w io.Writer) {
	if o.All || o.Bound() {
		fmt.Fprintf(w, "tenant %t %v\x00", o.All, o.ID)
	}
}

// Owner returns whose rows of t a call under ctx is about. It is the zero Owner
// for a table without tenants.
func (t *Table) Owner(ctx context.Context) (Owner, error) {
	if t.Tenant == nil {
		return Owner{}, nil
	}
	return t.ownerIn(ctx, t.Tenant)
}

// ownerIn is Owner for the column of a table, which need not be t.
func (t *Table) ownerIn(ctx context.Context, col *meta.Column) (Owner, error) {
	acting := smrt.TenantOf(ctx)
	switch {
	case ctx == nil:
		return Owner{}, smrt.ErrNilContext
	case acting.All:
		return Owner{All: true}, nil
	case acting.ID == nil && ctx.Value(anybody{}) != nil:
		return Owner{All: true}, nil
	case acting.ID == nil:
		return Owner{}, t.noTenant(col)
	}
	o := Owner{ID: acting.ID, Arg: acting.ID}
	switch id := acting.ID.(type) {
	case int64: // neither of these needs memory
		o.Int = id
		if id != 0 && col.Type == int64Type {
			return o, nil
		}
	case string:
		if id != "" && col.Type == stringType {
			return o, col.CheckValue(id)
		}
	}
	v, ok := converted(acting.ID, col.Type)
	if !ok {
		return Owner{}, &smrt.QueryError{Reason: "the tenant of the context is of type " + reflect.TypeOf(acting.ID).String() + ", and column " + col.Name + " of " + t.Name + " cannot hold it: its field is of type " + col.Type.String()}
	}
	if v.IsZero() {
		return Owner{}, t.noTenant(col)
	}
	return ownerOf(col, v)
}

// anybody is the key of a context for all tenants of which nobody need be told.
type anybody struct{}

// Anybody returns a context for texts that are made to see whether they can be, and
// never sent.
func Anybody(ctx context.Context) context.Context {
	return context.WithValue(ctx, anybody{}, true)
}

// ActingOf returns whose rows a call under ctx is about, for a call that is made
// later, [Under] another context.
func ActingOf(ctx context.Context) smrt.Tenant {
	t := smrt.TenantOf(ctx)
	t.All = t.All || t.ID == nil && ctx.Value(anybody{}) != nil
	return t
}

// Under returns a context for the rows that t says.
func Under(t smrt.Tenant) context.Context {
	switch {
	case t.All:
		return Anybody(context.Background())
	case t.ID == nil:
		return context.Background()
	}
	return smrt.WithTenant(context.Background(), t.ID)
}

var (
	int64Type  = reflect.TypeFor[int64]()
	stringType = reflect.TypeFor[string]()
)

// ownerOf returns the Owner with the id v, which has the type of the column.
func ownerOf(col *meta.Column, v reflect.Value) (o Owner, err error) {
	p := reflect.New(col.Type)
	p.Elem().Set(v)
	alone := *col
	alone.Offset = 0
	if o.Arg, err = alone.Arg(p.UnsafePointer()); err != nil {
		return Owner{}, err
	}
	if col.IsInteger() {
		o.Int = alone.Int(p.UnsafePointer())
	}
	o.ID = v.Interface()
	return o, nil
}

// converted returns an id as a value of a type that holds the same: another name,
// another size.
func converted(id any, to reflect.Type) (v reflect.Value, ok bool) {
	v = reflect.ValueOf(id)
	at := reflect.New(to).Elem()
	switch {
	case v.Type() == to:
		return v, true
	case v.CanInt() && at.CanInt():
		ok = !at.OverflowInt(v.Int())
	case v.CanUint() && at.CanInt():
		ok = v.Uint() <= 1<<63-1 && !at.OverflowInt(int64(v.Uint()))
	case v.Kind() == to.Kind():
		ok = v.CanConvert(to)
	}
	if !ok {
		return v, false
	}
	return v.Convert(to), true
}

func (t *Table) noTenant(col *meta.Column) error {
	return &smrt.TenantError{Table: t.Name, Column: col.Name, Row: -1, What: "context", Err: smrt.ErrNoTenant}
}

// Owns reports whether the column of the tenant at p, an entity's or a key's, has
// the id of o, which is bound.
func (o Owner) Owns(col *meta.Column, p unsafe.Pointer) bool {
	if col.IsInteger() {
		return col.Int(p) == o.Int
	}
	return reflect.NewAt(col.Type, unsafe.Add(p, col.Offset)).Elem().Equal(reflect.ValueOf(o.ID))
}

// checkTenant refuses a statement in which the condition of a tenant would not decide
// which rows there are.
func (f *Fill) checkTenant(t *Template, alias string) error {
	for i := range t.Places {
		p := &t.Places[i]
		if f.Table.Tenant != nil && p.Beside && p.Kind == WherePlace && p.Table == f.Table.Quoted && p.Alias == alias {
			return &smrt.QueryError{Reason: fmt.Sprintf("table %s has tenants, and its slot is beside an OR, in parentheses, or not in a WHERE, so that rows of others may pass: write WHERE true /* smrt:where %s %s */ AND (...)", p.Table, p.Table, alias)}
		}
	}
	return nil
}

// ownerMark stands in front of the condition of a tenant, and behind it. In front
// it is followed by the kind of the column. No text of a program has it: see
// checkText and meta.CheckIdent.
const ownerMark = "\x00"

// seen returns the condition that a statement sees a row: it is not deleted, or
// as d says, and of the tenant. It is empty if all rows are seen. The qualifier
// stands in front of the columns. The text is not squirrel's yet.
func (t *Table) seen(qualifier string, d Deleted) string {
	return joinedBy(" AND ", t.deleted(qualifier, d), t.owned(qualifier))
}

// owned is the part of seen for tenants.
func (t *Table) owned(qualifier string) string {
	if t.Tenant == nil {
		return ""
	}
	return ownerMark + string(kindMark(t.Tenant)) + qualifier + t.Tenant.Quoted + ownerMark
}

// Seen is seen for the text of an envelope. The request must name t in Tables.
func (t *Table) Seen(qualifier string) string { return t.seen(qualifier, WithoutDeleted) }

func kindMark(col *meta.Column) rune { return 'A' + rune(col.Encode) }

// owns notes that the statement sees rows of t.
func (b *builder) owns(t *Table) {
	if t.Tenant == nil || slices.ContainsFunc(b.owned, func(of *Table) bool { return of.Tenant.Encode == t.Tenant.Encode }) {
		return
	}
	b.owned = append(b.owned, t)
}

// bind binds the tenant of ctx to a statement that needs one.
func (b *builder) bind(ctx context.Context) {
	if len(b.owned) == 0 {
		return
	}
	for i, t := range b.owned {
		o, err := t.Owner(ctx)
		if err != nil {
			b.fail(err)
			return
		}
		if i == 0 {
			b.key = o.AppendKey(b.key)
		}
		if o.Bound() {
			b.arg(o.Arg)
			b.bound++
		}
	}
}

// bindMarks writes what the marks in sql stand for. The arguments of the tenants,
// if there are any, follow all others: it appends to order where they stand. own is
// how many placeholders are another's, and args how many arguments are not.
func (b *builder) bindMarks(sql string, order []int, own, args int) (string, []int, error) {
	if !strings.Contains(sql, ownerMark) {
		return sql, order, nil
	}
	var out strings.Builder
	places := make([]int, len(b.owned))
	for {
		before, rest, found := strings.Cut(sql, ownerMark)
		out.WriteString(before)
		if !found {
			return out.String(), order, nil
		}
		column, after, _ := strings.Cut(rest, ownerMark)
		i := slices.IndexFunc(b.owned, func(t *Table) bool { return column[0] == byte(kindMark(t.Tenant)) })
		switch {
		case i < 0:
			return "", nil, errUnbound
		case b.bound == 0:
			out.WriteString("true")
		default:
			if places[i] == 0 {
				order = append(order, args-b.bound+i)
				places[i] = own + len(order)
			}
			out.WriteString(column[1:] + " = $" + strconv.Itoa(places[i]))
		}
		sql = after
	}
}

// errUnbound cannot happen unless a text names a table that the request does not.
var errUnbound = &smrt.QueryError{Reason: "smrt has a condition on tenants that nothing was bound to"}
