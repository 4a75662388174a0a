package preload_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/relation"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
)

// TestDroppedRelationsAreGivenBack declares tables and relations at run time, as a
// program does whose tables have the names of its customers, and drops them.
func TestDroppedRelationsAreGivenBack(t *testing.T) {
	before := len(relation.All())
	const rounds, each = 10, 500
	var kept []any // the control: of the last round
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	declare := func(round int) {
		for i := range each {
			authors := query.NewTable(fmt.Sprintf("authors_%d_%d", round, i), func(a *author) *string { return &a.Code })
			books := query.NewTable(fmt.Sprintf("books_%d_%d", round, i), func(b *book) *int64 { return &b.ID })
			written := preload.HasMany(authors, books, func(b *book) *pgtype.Text { return &b.Author })
			kept = append(kept, written)
		}
	}
	declare(0)
	check.Same(t, "relations while they are used", len(relation.All()), before+each)
	kept = nil
	start := heap()
	for round := range rounds {
		kept = nil
		declare(round + 1)
	}
	check.Same(t, "one of the last round is known", len(relation.All()) >= before+each, true)
	held := heap() - start
	kept = nil
	deadline := time.Now().Add(testdb.Patience(10 * time.Second))
	for len(relation.All()) > before && time.Now().Before(deadline) {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	check.Same(t, "relations afterwards", len(relation.All()), before)
	left := heap() - start
	t.Logf("%d relations kept %d KB when some were in use, and %d KB afterwards", rounds*each, held>>10, left>>10)
	if limit := int64(rounds * each * 100); left > limit { // a tenth of what each takes
		t.Errorf("%d KB are kept of %d relations that were dropped, want %d at most", left>>10, rounds*each, limit>>10)
	}
}
