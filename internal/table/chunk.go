package table

import (
	"slices"
	"strings"

	"github.com/smrt-go/smrt/internal/meta"
)

// MaxChunk is how many rows one statement writes. More would not be faster; the
// statements of a larger call travel in one batch, which is one implicit
// transaction.
const MaxChunk = 20_000

// maxChunkBytes is how many bytes the values of variable length of one statement
// have. A message to the server may not exceed 1 GB, and the server keeps it in
// memory together with the arrays and the rows that it makes of it.
const maxChunkBytes = 128 << 20

// Chunks splits the chosen rows, all if chosen is nil, by how many one statement
// may write whose arguments are columns. A nil chunk is all rows.
func (r Rows) Chunks(columns []*meta.Column, chosen []int) [][]int {
	n := r.N
	if chosen != nil {
		n = len(chosen)
	}
	if n <= MaxChunk && !r.large(columns) {
		return [][]int{chosen}
	}
	if chosen == nil {
		chosen = UpTo(n)
	}
	var chunks [][]int
	start, bytes := 0, 0
	for i, row := range chosen {
		more := r.bytes(columns, row)
		if i > start && (i-start == MaxChunk || bytes+more > maxChunkBytes) {
			chunks = append(chunks, chosen[start:i:i])
			start, bytes = i, 0
		}
		bytes += more
	}
	return append(chunks, chosen[start:n:n])
}

// large reports whether all rows together have too many bytes for a statement.
func (r Rows) large(columns []*meta.Column) bool {
	bytes := 0
	for _, col := range columns {
		for i := 0; i < r.N && col.Varies(); i++ {
			bytes += col.Bytes(r.At(i))
		}
	}
	return bytes > maxChunkBytes
}

// bytes returns how many bytes the columns of a row have that vary in length.
func (r Rows) bytes(columns []*meta.Column, i int) int {
	n := 0
	for _, col := range columns {
		n += col.Bytes(r.At(i))
	}
	return n
}

// UpTo returns the numbers from 0 to n-1.
func UpTo(n int) []int {
	is := make([]int, n)
	for i := range is {
		is[i] = i
	}
	return is
}

// Sorted returns the chosen rows, all if chosen is nil, in the order of columns,
// or chosen itself if that is their order. Rows whose columns are not
// [meta.Column.Comparable] are ordered by their text.
func (r Rows) Sorted(columns []*meta.Column, chosen []int) []int {
	var texts []string // of columns that are not comparable
	if slices.ContainsFunc(columns, func(c *meta.Column) bool { return !c.Comparable() }) {
		texts = make([]string, r.N)
		for i := range texts {
			texts[i] = TargetKey(columns, r.At(i))
		}
	}
	if r.sorted(columns, texts, chosen) {
		return chosen
	}
	if chosen == nil {
		chosen = UpTo(r.N)
	} else {
		chosen = slices.Clone(chosen)
	}
	slices.SortStableFunc(chosen, func(i, j int) int { return r.compare(columns, texts, i, j) })
	return chosen
}

func (r Rows) sorted(columns []*meta.Column, texts []string, chosen []int) bool {
	n := r.N
	if chosen != nil {
		n = len(chosen)
	}
	for k := 1; k < n; k++ {
		i, j := k-1, k
		if chosen != nil {
			i, j = chosen[i], chosen[j]
		}
		if r.compare(columns, texts, i, j) > 0 {
			return false
		}
	}
	return true
}

func (r Rows) compare(columns []*meta.Column, texts []string, i, j int) int {
	if texts != nil {
		return strings.Compare(texts[i], texts[j])
	}
	for _, col := range columns {
		if c := col.Compare(r.At(i), r.At(j)); c != 0 {
			return c
		}
	}
	return 0
}
