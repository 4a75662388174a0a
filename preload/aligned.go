package preload

import (
	"context"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/load"
)

// Load returns the row that each parent leads to, in the order of parents: nil
// where there is none. Parents that lead to the same row share it. It is for
// entities without a field for the relation; see [Fill] for those with one.
func (r ToOne[P, C]) Load(ctx context.Context, db smrt.DB, parents []P, nested ...Load[C]) ([]*C, error) {
	out := make([]*C, len(parents))
	return out, aligned(ctx, db, r.relation, load.ToPointer, rowsOf(parents), rowsOf(out), untyped(nested))
}

// Load returns the rows that each parent leads to, in the order of parents:
// an empty slice where there are none.
func (r ToMany[P, C]) Load(ctx context.Context, db smrt.DB, parents []P, nested ...Load[C]) ([][]C, error) {
	out := make([][]C, len(parents))
	return out, aligned(ctx, db, r.relation, load.ToSlice, rowsOf(parents), rowsOf(out), untyped(nested))
}

// LoadCounts returns how many rows each parent leads to, in the order of
// parents.
func (r ToMany[P, C]) LoadCounts(ctx context.Context, db smrt.DB, parents []P) ([]int64, error) {
	out := make([]int64, len(parents))
	return out, aligned(ctx, db, r.relation, load.ToCount, rowsOf(parents), rowsOf(out), nil)
}

// LoadExists returns whether each parent leads to any row, in the order of
// parents.
func (r ToMany[P, C]) LoadExists(ctx context.Context, db smrt.DB, parents []P) ([]bool, error) {
	out := make([]bool, len(parents))
	return out, aligned(ctx, db, r.relation, load.ToExists, rowsOf(parents), rowsOf(out), nil)
}

func rowsOf[V any](vs []V) load.Parents {
	return load.Rows(unsafe.Pointer(unsafe.SliceData(vs)), unsafe.Sizeof(*new(V)), len(vs))
}

// aligned loads a relation into fields that are not the parents' own.
func aligned(ctx context.Context, db smrt.DB, r *load.Relation, into load.Target, parents, fields load.Parents, nested load.Loads) error {
	return load.Beside(ctx, db, load.Aligned(r, into, nested), parents, fields)
}
