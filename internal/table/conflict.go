package table

import (
	"slices"
	"strings"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Conflict says what an upsert does about rows that exist.
type Conflict plan.Conflict

// Check refuses what PostgreSQL would, before it is asked.
func (x *Conflict) Check(t *Table) error {
	if x.Err != nil {
		return x.Err
	}
	if len(x.Target) == 0 {
		return &smrt.QueryError{Reason: "an upsert needs the columns of the unique index that it may conflict with"}
	}
	for _, col := range x.Update {
		if err := t.CheckColumn(col); err != nil {
			return err
		}
	}
	return nil
}

// AppendKey appends to the key of a statement what its text says of x, which
// may be nil.
func (x *Conflict) AppendKey(b []byte) []byte {
	if x == nil {
		return b
	}
	b = append(b, 'x')
	for _, col := range x.Target {
		b = append(b, 't', byte(col.Index), byte(col.Index>>8))
	}
	for _, col := range x.Update {
		b = append(b, 'u', byte(col.Index), byte(col.Index>>8))
	}
	if x.Nothing {
		b = append(b, '-')
	}
	return append(append(b, 'w'), x.Where...)
}

func (x *Conflict) sql(t *Table) string {
	var b strings.Builder
	b.WriteString(" ON CONFLICT (" + meta.List(x.Target) + ")")
	if x.Where != "" {
		b.WriteString(" WHERE (" + x.Where + ")")
	}
	if x.Nothing {
		b.WriteString(" DO NOTHING")
		return b.String()
	}
	var sets []string
	for _, col := range x.columns(t) {
		sets = append(sets, t.set(col, t.systemRef(), "EXCLUDED."+col.Quoted))
	}
	b.WriteString(" DO UPDATE SET " + strings.Join(sets, ", "))
	return b.String()
}

// columns are those that an existing row gets: the chosen ones and those the
// table keeps by itself; by default all but the target, the key and the time
// of creation.
func (x *Conflict) columns(t *Table) []*meta.Column {
	if len(x.Update) == 0 {
		cols := slices.DeleteFunc(slices.Clone(t.Mutable), func(col *meta.Column) bool { return slices.Contains(x.Target, col) })
		if len(cols) == 0 {
			return x.Target[:1]
		}
		return cols
	}
	cols := slices.Clone(x.Update)
	for _, own := range t.own() {
		if !slices.Contains(cols, own) {
			cols = append(cols, own)
		}
	}
	return cols
}

// inserted is an expression that reports whether a row of the result is new. A
// row that an upsert updated has been locked by it, which shows in xmax. The
// rows of a partitioned table do not show their xmax; there, a row is new if
// the statement's snapshot has none like it. If another transaction inserts
// the row between the snapshot and the conflict, that says "inserted" of a row
// that was updated.
func (x *Conflict) inserted(t *Table) string {
	ref := t.systemRef()
	if !t.partitioned.Load() {
		return "(" + ref + "xmax = 0)"
	}
	same := make([]string, len(x.Target))
	for i, col := range x.Target {
		same[i] = "before." + col.Quoted + " = " + ref + col.Quoted
	}
	return "NOT EXISTS (SELECT 1 FROM " + t.Quoted + " AS before WHERE " + strings.Join(same, " AND ") + ")"
}
