package repo

import (
	"iter"
	"unsafe"

	"github.com/smrt-go/smrt/internal/crud"
)

// slab allocates values in chunks, so that pointers to them stay valid and a
// thousand of them cost a few allocations.
type slab[T any] struct{ chunks [][]T }

const maxSlab = 256

// next returns room for one more of about n values.
func (s *slab[T]) next(n int) unsafe.Pointer {
	last := len(s.chunks) - 1
	if last < 0 || len(s.chunks[last]) == cap(s.chunks[last]) {
		s.chunks = append(s.chunks, make([]T, 0, max(1, min(n, maxSlab))))
		last++
	}
	var zero T
	s.chunks[last] = append(s.chunks[last], zero)
	return unsafe.Pointer(&s.chunks[last][len(s.chunks[last])-1])
}

func (s *slab[T]) all() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for _, chunk := range s.chunks {
			for i := range chunk {
				if !yield(&chunk[i]) {
					return
				}
			}
		}
	}
}

// rowsOf describes a slice to the core.
func rowsOf[T any](vs []T) crud.Rows {
	return crud.Rows{Base: unsafe.Pointer(unsafe.SliceData(vs)), Size: unsafe.Sizeof(*new(T)), N: len(vs)}
}
