package crud

import (
	"reflect"
	"unsafe"
)

// Slice is the header of a slice of structs whose type only its receiver can
// name: repo sees a Slice of products as a []Product. So growing a slice, which
// is three hundred bytes of code for each type, is here once.
type Slice struct {
	data     unsafe.Pointer
	len, cap int
}

// first is s without what is behind its first n elements.
func (s Slice) first(n int) Slice {
	n = min(n, s.len)
	return Slice{data: s.data, len: n, cap: n}
}

// noStruct is what a slice without elements points to, which is not nil.
var noStruct uintptr

// structs makes structs of a type that is known at run time only.
type structs struct {
	of      reflect.Type
	sliceOf reflect.Type
	size    uintptr
}

func structsOf(t reflect.Type) structs {
	return structs{of: t, sliceOf: reflect.SliceOf(t), size: t.Size()}
}

func (t *structs) one() unsafe.Pointer { return reflect.New(t.of).UnsafePointer() }

// room returns zeroed memory for n structs.
func (t *structs) room(n int) unsafe.Pointer {
	var s Slice
	t.grow(&s, n)
	return s.data
}

// grow makes room for n more structs at the end of s, like append.
func (t *structs) grow(s *Slice, n int) { t.value(s).Grow(n) }

// value is s with its type, so that the memory behind it has the type that the
// garbage collector must know.
func (t *structs) value(s *Slice) reflect.Value {
	return reflect.NewAt(t.sliceOf, unsafe.Pointer(s)).Elem()
}

// reverse turns s around.
func (t *structs) reverse(s *Slice) {
	swap := reflect.Swapper(t.value(s).Interface())
	for i, j := 0, s.len-1; i < j; i, j = i+1, j-1 {
		swap(i, j)
	}
}

// rows describes the structs of s to what reads them.
func (t *structs) rows(s Slice) Rows { return Rows{Base: s.data, Size: t.size, N: s.len} }

// list collects structs in a slice.
type list struct {
	structs *structs
	Slice
}

// start makes room for n structs.
func (l *list) start(n int) {
	l.data = unsafe.Pointer(&noStruct)
	if n > 0 {
		l.structs.grow(&l.Slice, n)
	}
}

// next returns room for one more. What was returned before may have moved.
func (l *list) next() unsafe.Pointer {
	if l.len == l.cap {
		l.structs.grow(&l.Slice, 1)
	}
	p := unsafe.Add(l.data, uintptr(l.len)*l.structs.size)
	l.len++
	return p
}

// slab allocates structs in chunks, so that pointers to them stay valid and a
// thousand of them cost a few allocations.
type slab struct {
	structs *structs
	expect  int
	free    int
	at      unsafe.Pointer
	all     []unsafe.Pointer
}

const maxSlab = 256

// next returns room for one more.
func (s *slab) next() unsafe.Pointer {
	if s.free == 0 {
		s.free = max(1, min(s.expect, maxSlab))
		s.at = s.structs.room(s.free)
	} else {
		s.at = unsafe.Add(s.at, s.structs.size)
	}
	s.free--
	s.all = append(s.all, s.at)
	return s.at
}
