package meta

import (
	"reflect"
	"time"
	"unsafe"
)

// arena holds the bytes of the strings and documents of one result. They share
// chunks, so that a thousand rows with two strings each cost about ten
// allocations and not two thousand. The price: a string that is kept keeps its
// chunk, at most maxChunk bytes; longer strings are allocated alone.
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

func (a *arena) string(b []byte) string { return unsafe.String(unsafe.SliceData(a.bytes(b)), len(b)) }

// bytes returns a copy of b. What is appended to it goes elsewhere, not over the
// next value of the chunk. It is not nil, also if it is empty.
func (a *arena) bytes(b []byte) []byte {
	if len(b) == 0 {
		return []byte{}
	}
	if len(b) > len(a.free) {
		if len(b) > maxChunk/8 {
			return append(make([]byte, 0, len(b)), b...)
		}
		a.next = min(max(2*a.next, minChunk, 2*len(b)), maxChunk)
		a.free = make([]byte, a.next)
	}
	n := copy(a.free, b)
	c := a.free[:n:n]
	a.free = a.free[n:]
	return c
}

// slab allocates what pointer fields point to, several at a time once a result
// has several rows: a nullable column costs a row a fraction of an allocation.
// A pointee that is kept keeps at most slabSize others.
type slab struct {
	int64s  []int64
	int32s  []int32
	times   []time.Time
	strings []string
	rows    int
}

const slabSize = 64

// pointee makes field point to a new value and returns its address. The kinds
// with a chunk of their own are those that nullable columns usually have; a
// chunk for each kind would make the decoder larger for every result.
func (b *slab) pointee(s *step, field unsafe.Pointer) unsafe.Pointer {
	var v unsafe.Pointer
	switch s.column.Kind {
	case KindInt64:
		v = unsafe.Pointer(take(&b.int64s, b.grow()))
	case KindInt32:
		v = unsafe.Pointer(take(&b.int32s, b.grow()))
	case KindTime:
		v = unsafe.Pointer(take(&b.times, b.grow()))
	case KindString:
		v = unsafe.Pointer(take(&b.strings, b.grow()))
	default:
		v = reflect.New(s.column.Type.Elem()).UnsafePointer()
	}
	*(*unsafe.Pointer)(field) = v
	return v
}

// grow doubles the size of the next chunk with what was asked for so far, so
// that a result of one row allocates no more than it needs.
func (b *slab) grow() int {
	b.rows++
	return min(b.rows, slabSize)
}

// take returns the next value of a chunk, and makes a chunk if it is used up.
func take[V any](chunk *[]V, size int) *V {
	if len(*chunk) == 0 {
		*chunk = make([]V, size)
	}
	v := &(*chunk)[0]
	*chunk = (*chunk)[1:]
	return v
}
