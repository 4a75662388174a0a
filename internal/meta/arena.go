package meta

import "unsafe"

// arena holds the bytes of the strings of one result. Strings share chunks, so
// that a thousand rows with two strings each cost about ten allocations and
// not two thousand. The price: a string that is kept keeps its chunk, at most
// maxChunk bytes; longer strings are allocated alone.
type arena struct {
	free []byte
	next int // size of the next chunk
}

const (
	minChunk = 256
	maxChunk = 32 << 10
)

// reserve makes sure that the next n bytes fit in one chunk exactly, for a
// result of one row.
func (a *arena) reserve(n int) {
	if n > 0 && len(a.free) == 0 && n <= maxChunk {
		a.free = make([]byte, n)
	}
}

func (a *arena) string(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > len(a.free) {
		if len(b) > maxChunk/8 {
			return string(b)
		}
		a.next = min(max(2*a.next, minChunk, 2*len(b)), maxChunk)
		a.free = make([]byte, a.next)
	}
	n := copy(a.free, b)
	s := unsafe.String(&a.free[0], n)
	a.free = a.free[n:]
	return s
}
