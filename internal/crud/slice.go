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

// Structs makes structs of a type that is known at run time only.
type Structs struct {
	of      reflect.Type
	sliceOf reflect.Type
	size    uintptr
}

// StructsOf makes structs of type t.
func StructsOf(t reflect.Type) Structs {
	return Structs{of: t, sliceOf: reflect.SliceOf(t), size: t.Size()}
}

func (t *Structs) one() unsafe.Pointer { return reflect.New(t.of).UnsafePointer() }

// room returns zeroed memory for n structs.
func (t *Structs) room(n int) unsafe.Pointer {
	var s Slice
	t.grow(&s, n)
	return s.data
}

// grow makes room for n more structs at the end of s, like append.
func (t *Structs) grow(s *Slice, n int) { t.value(s).Grow(n) }

// value is s with its type, so that the memory behind it has the type that the
// garbage collector must know.
func (t *Structs) value(s *Slice) reflect.Value {
	return reflect.NewAt(t.sliceOf, unsafe.Pointer(s)).Elem()
}

// reverse turns s around.
func (t *Structs) reverse(s *Slice) {
	swap := reflect.Swapper(t.value(s).Interface())
	for i, j := 0, s.len-1; i < j; i, j = i+1, j-1 {
		swap(i, j)
	}
}

// rows describes the structs of s to what reads them.
func (t *Structs) rows(s Slice) Rows { return Rows{Base: s.data, Size: t.size, N: s.len} }

// List collects structs in a slice.
type List struct {
	Of *Structs
	Slice
}

// start makes room for n structs, and l a slice that is not nil.
func (l *List) start(n int) {
	l.data = unsafe.Pointer(&noStruct)
	if n > 0 {
		l.Of.grow(&l.Slice, n)
	}
}

// Len is how many structs there are.
func (l *List) Len() int { return l.len }

// Rows describes the structs to what reads them.
func (l *List) Rows() Rows { return l.Of.rows(l.Slice) }

// Reserve makes room for n more. What Next returned before may have moved.
func (l *List) Reserve(n int) {
	if l.len+n > l.cap {
		l.Of.grow(&l.Slice, n)
	}
}

// Next returns room for one more. What was returned before may have moved.
func (l *List) Next() unsafe.Pointer {
	l.Reserve(1)
	p := unsafe.Add(l.data, uintptr(l.len)*l.Of.size)
	l.len++
	return p
}

// Drop takes the last one back.
func (l *List) Drop() {
	l.Of.value(&l.Slice).Index(l.len - 1).SetZero()
	l.len--
}

// Part is a slice of n structs from the one with the given index. It is not nil,
// and has no room for more.
func (l *List) Part(from, n int) Slice {
	if n == 0 {
		return Slice{data: unsafe.Pointer(&noStruct)}
	}
	return Slice{data: unsafe.Add(l.data, uintptr(from)*l.Of.size), len: n, cap: n}
}

// Repeat appends a copy of n structs, and returns where it begins.
func (l *List) Repeat(from, n int) int {
	to := l.len
	l.Reserve(n)
	l.len += n
	v := l.Of.value(&l.Slice)
	reflect.Copy(v.Slice(to, l.len), v.Slice(from, from+n))
	return to
}

// Arrange moves each struct to the index that to gives for its own.
func (l *List) Arrange(to func(i int) int) {
	moved := List{Of: l.Of}
	moved.Reserve(l.len)
	moved.len = l.len
	a, b := l.Of.value(&l.Slice), l.Of.value(&moved.Slice)
	for i := range l.len {
		b.Index(to(i)).Set(a.Index(i))
	}
	l.Slice = moved.Slice
}

// slab allocates structs in chunks, so that pointers to them stay valid and a
// thousand of them cost a few allocations.
type slab struct {
	of     *Structs
	expect int
	free   int
	at     unsafe.Pointer
	all    []unsafe.Pointer
}

const maxSlab = 256

// next returns room for one more.
func (s *slab) next() unsafe.Pointer {
	if s.free == 0 {
		s.free = max(1, min(s.expect, maxSlab))
		s.at = s.of.room(s.free)
	} else {
		s.at = unsafe.Add(s.at, s.of.size)
	}
	s.free--
	s.all = append(s.all, s.at)
	return s.at
}
