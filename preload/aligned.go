package preload

import (
	"context"
	"reflect"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/scope"
)

// Load returns the row that each parent leads to, in the order of parents: nil
// where there is none. Parents that lead to the same row share it. It is for
// entities without a field for the relation; see [Fill] for those with one.
func (r ToOne[P, C]) Load(ctx context.Context, db smrt.DB, parents []P, nested ...Load[C]) ([]*C, error) {
	out := make([]*C, len(parents))
	return out, aligned(ctx, db, r.relation, toPointer, rowsOf(parents), rowsOf(out), untyped(nested))
}

// Load returns the rows that each parent leads to, in the order of parents:
// an empty slice where there are none.
func (r ToMany[P, C]) Load(ctx context.Context, db smrt.DB, parents []P, nested ...Load[C]) ([][]C, error) {
	out := make([][]C, len(parents))
	return out, aligned(ctx, db, r.relation, toSlice, rowsOf(parents), rowsOf(out), untyped(nested))
}

// LoadCounts returns how many rows each parent leads to, in the order of
// parents.
func (r ToMany[P, C]) LoadCounts(ctx context.Context, db smrt.DB, parents []P) ([]int64, error) {
	out := make([]int64, len(parents))
	return out, aligned(ctx, db, r.relation, toCount, rowsOf(parents), rowsOf(out), nil)
}

// LoadExists returns whether each parent leads to any row, in the order of
// parents.
func (r ToMany[P, C]) LoadExists(ctx context.Context, db smrt.DB, parents []P) ([]bool, error) {
	out := make([]bool, len(parents))
	return out, aligned(ctx, db, r.relation, toExists, rowsOf(parents), rowsOf(out), nil)
}

func rowsOf[V any](vs []V) rows {
	return rows{base: unsafe.Pointer(unsafe.SliceData(vs)), size: unsafe.Sizeof(*new(V)), n: len(vs)}
}

// aligned loads a relation into fields that are not the parents' own.
func aligned(ctx context.Context, db smrt.DB, r *relation, into target, parents, fields rows, nested []*load) error {
	if err := scope.Check(ctx, db); err != nil {
		return err
	}
	l := &load{relation: r, into: into, keys: r.outer, shape: shapeOf(r.link, r.child.Struct.Type), maxDepth: DefaultMaxDepth}
	l.nest(nested, r.parent)
	if err := (Loads{l}).Check(); err != nil {
		return err
	}
	return execute(ctx, db, []job{{load: l, parents: parents, fields: fields}})
}

// nest completes a load with those below it.
func (l *load) nest(nested []*load, holder reflect.Type) {
	l.nested, l.core, l.height = nested, crud.Of(l.child), 1
	for i, n := range nested {
		if n == nil {
			l.refuse(holder, "a nested load is the zero Load")
		}
		if o := Loads(nested[:i]).into(n.offset); o != nil {
			l.refuse(holder, "two nested loads, of %s and of %s, go into the same field", o.link, n.link)
		}
		l.height = max(l.height, n.height+1)
	}
	for _, o := range l.spec.Order {
		if o.Expr != nil && (l.via != nil || l.byNumber()) {
			l.refuse(holder, "rows that are limited for each parent, reached through a join table, or named by a key of text can be ordered by columns only")
		}
	}
	l.joined, l.subs = joined(nested)
	l.plain = l.form(nil)
}
