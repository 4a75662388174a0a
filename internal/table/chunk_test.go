package table_test

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/query"
)

type page struct {
	ID   int64
	Text string
}

var pages = table.Of(query.NewTable("pages", func(p *page) *int64 { return &p.ID }).Plan())

// TestChunks proves that a statement has neither too many rows nor too many
// bytes. The texts share their memory.
func TestChunks(t *testing.T) {
	megabyte := strings.Repeat("x", 1<<20)
	sizes := func(ps []page, chosen []int) (out string) {
		rows := pages.Entities(unsafe.Pointer(unsafe.SliceData(ps)), len(ps))
		for _, c := range rows.Chunks(pages.Writable, chosen) {
			if c == nil {
				out += " all"
			} else {
				out += fmt.Sprint(" ", len(c))
			}
		}
		return out
	}
	check.Equal(t, "few", sizes(make([]page, 20_000), nil), " all")
	check.Equal(t, "many", sizes(make([]page, 20_001), nil), " 20000 1")
	large := make([]page, 300)
	for i := range large {
		large[i].Text = megabyte
	}
	check.Equal(t, "large", sizes(large, nil), " 128 128 44")
	check.Equal(t, "chosen", sizes(large, []int{5, 4, 3}), " 3")
	large[0].Text = strings.Repeat("x", 200<<20)
	check.Equal(t, "one that is too large by itself", sizes(large[:2], nil), " 1 1")
}

// TestSorted proves that rows are ordered by columns, and left alone if they are.
func TestSorted(t *testing.T) {
	sorted := func(chosen []int, ids ...int64) string {
		ps := make([]page, len(ids))
		for i, id := range ids {
			ps[i].ID = id
		}
		return fmt.Sprint(pages.Entities(unsafe.Pointer(unsafe.SliceData(ps)), len(ps)).Sorted(pages.KeyColumns(), chosen))
	}
	check.Equal(t, "in order", sorted(nil, 1, 2, 3), "[]")
	check.Equal(t, "in another order", sorted(nil, 3, 1, 2), "[1 2 0]")
	check.Equal(t, "chosen", sorted([]int{0, 2}, 3, 1, 2), "[2 0]")
}
