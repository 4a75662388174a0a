package repo

import (
	"unsafe"

	"github.com/smrt-go/smrt/internal/crud"
)

// rowsOf describes a slice to the core.
func rowsOf[T any](vs []T) crud.Rows {
	return crud.Rows{Base: unsafe.Pointer(unsafe.SliceData(vs)), Size: unsafe.Sizeof(*new(T)), N: len(vs)}
}
