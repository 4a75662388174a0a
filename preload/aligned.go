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
	return out, load.FillAligned(ctx, db, load.Aligned(r.relation, load.IntoPointer, untyped(nested)), rowsOf(parents), rowsOf(out))
}

// Load returns the rows that each parent leads to, in the order of parents:
// an empty slice where there are none.
func (r ToMany[P, C]) Load(ctx context.Context, db smrt.DB, parents []P, nested ...Load[C]) ([][]C, error) {
	out := make([][]C, len(parents))
	return out, load.FillAligned(ctx, db, load.Aligned(r.relation, load.IntoSlice, untyped(nested)), rowsOf(parents), rowsOf(out))
}

// LoadCounts returns how many rows each parent leads to, in the order of
// parents.
func (r ToMany[P, C]) LoadCounts(ctx context.Context, db smrt.DB, parents []P) ([]int64, error) {
	out := make([]int64, len(parents))
	return out, load.FillAligned(ctx, db, load.Aligned(r.relation, load.IntoCount, nil), rowsOf(parents), rowsOf(out))
}

// LoadExists reports for each parent whether it leads to any row, in the order
// of parents.
func (r ToMany[P, C]) LoadExists(ctx context.Context, db smrt.DB, parents []P) ([]bool, error) {
	out := make([]bool, len(parents))
	return out, load.FillAligned(ctx, db, load.Aligned(r.relation, load.IntoExists, nil), rowsOf(parents), rowsOf(out))
}

func rowsOf[V any](vs []V) load.Parents {
	return load.Rows(unsafe.Pointer(unsafe.SliceData(vs)), unsafe.Sizeof(*new(V)), len(vs))
}
