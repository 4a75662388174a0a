package load

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/kept"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
)

// learn returns the form of l for the keys of g. It asks the database for types
// if need be.
func (l *Load) learn(ctx context.Context, db smrt.DB, g *groups) (*form, error) {
	switch {
	case l.plain != nil && l.wide != nil && (g.wide || l.narrow.Load()):
		return l.wide, nil
	case l.plain != nil:
		return l.plain, nil
	}
	core, tied := l.tied()
	keys, err := core.KeyTable(ctx, db, columnsOf(tied))
	if err != nil {
		return nil, err
	}
	if err := l.withBlanks(ctx, db, keys); err != nil {
		return nil, err
	}
	if f := l.learnt.Load(); f != nil && f.keys.Equal(keys) {
		return f, nil
	}
	f := l.form(keys)
	l.learnt.Store(f)
	l.learnt.reported.Do(func() { kept.Add("loads", l.learnt, (*learnt).report, (*learnt).shrink) })
	return f, nil
}

// learnt is a form that depends on what the database says.
type learnt struct {
	atomic.Pointer[form]
	reported sync.Once
}

// formBytes is about what a form takes besides its text.
const formBytes = 512

func (l *learnt) report() kept.Report {
	r := kept.Report{Capacity: 1}
	if f := l.Load(); f != nil {
		r.Entries, r.Bytes = 1, int64(formBytes+len(f.list)+len(f.before)+len(f.beforeOne)+len(f.after))
	}
	return r
}

func (l *learnt) shrink(to int) {
	if to < 1 {
		l.Store(nil)
	}
}

// tied returns the table whose rows have the keys of parents, and in which
// columns.
func (r *Relation) tied() (*table.Table, []Field) {
	switch {
	case r.Steps != nil:
		return r.Steps.Of.tied()
	case r.Via != nil:
		return table.Of(r.Via.Table), r.Via.Left
	}
	return table.Of(r.Child), r.Inner
}

// tables are those whose catalogs say how l is to be read.
func (l *Load) tables() []*table.Table {
	core, _ := l.tied()
	return []*table.Table{core, table.Of(l.parents)}
}

// withBlanks lets keys that come of columns of char(n) be compared as such: they
// have blanks at their end, which count in a text.
func (l *Load) withBlanks(ctx context.Context, db smrt.DB, keys *table.KeyTable) error {
	if !slices.ContainsFunc(l.Outer, func(f Field) bool { return f.value.Encode == meta.KindString }) {
		return nil
	}
	catalog, err := table.Of(l.parents).Catalog(ctx, db)
	if err != nil {
		return err
	}
	for i, f := range l.Outer {
		if catalog.Columns[f.column.Name].Base == pgtype.BPCharOID {
			keys.AsBlankPadded(i)
		}
	}
	return nil
}

// widen returns the form for keys that may be out of the range of the column
// that they are compared with: such a key is in no row. It returns nil where the
// form has keys of their own type anyway.
func (l *Load) widen() *form {
	if l.plain == nil || l.plain.keys != nil || len(l.Outer) != 1 {
		return nil
	}
	f := *l
	switch l.Outer[0].value.Encode {
	case meta.KindInt64:
		f.cast = "::bigint[]"
	case meta.KindInt32:
		f.cast = "::integer[]"
	default:
		return nil
	}
	return f.form(nil)
}
