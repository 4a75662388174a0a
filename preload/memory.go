package preload

import (
	"reflect"
	"unsafe"
)

// memory is a growing slice of structs whose type is known at run time only.
type memory struct {
	of   reflect.Type
	size uintptr
	s    slice
}

// slice is the layout of every slice.
type slice struct {
	data     unsafe.Pointer
	len, cap int
}

func newMemory(t reflect.Type) memory { return memory{of: t, size: t.Size()} }

// value is the slice with its type, which the garbage collector must know.
func (m *memory) value() reflect.Value {
	return reflect.NewAt(reflect.SliceOf(m.of), unsafe.Pointer(&m.s)).Elem()
}

// reserve makes room for n more. What next returned before may move.
func (m *memory) reserve(n int) {
	if m.s.len+n > m.s.cap {
		m.value().Grow(n)
	}
}

// next returns room for one more.
func (m *memory) next() unsafe.Pointer {
	m.reserve(1)
	m.s.len++
	return unsafe.Add(m.s.data, uintptr(m.s.len-1)*m.size)
}

// drop takes the last one back.
func (m *memory) drop() {
	m.s.len--
	m.value().Slice(0, m.s.len+1).Index(m.s.len).SetZero()
}

func (m *memory) rows() rows { return rows{base: m.s.data, size: m.size, n: m.s.len} }

// nothing is what a slice without rows points to, so that it is not nil.
var nothing struct{ _ [0]uintptr }

// part is a slice of n structs from the one with the given index.
func (m *memory) part(from, n int) slice {
	if n == 0 {
		return slice{data: unsafe.Pointer(&nothing)}
	}
	return slice{data: unsafe.Add(m.s.data, uintptr(from)*m.size), len: n, cap: n}
}

// repeat appends a copy of n structs, and returns where it begins.
func (m *memory) repeat(from, n int32) int32 {
	to := m.s.len
	m.reserve(int(n))
	m.s.len += int(n)
	v := m.value()
	reflect.Copy(v.Slice(to, m.s.len), v.Slice(int(from), int(from+n)))
	return int32(to)
}

// grouped returns where the structs of each group begin and how many they are.
// It moves them if those of a group do not lie together, in the order in which
// they came.
func (m *memory) grouped(of []int32, groups int) (start, count []int32) {
	both := make([]int32, 2*groups)
	start, count = both[:groups:groups], both[groups:]
	together := true
	for i, g := range of {
		if count[g] == 0 {
			start[g] = int32(i)
		} else {
			together = together && of[i-1] == g
		}
		count[g]++
	}
	if together {
		return start, count
	}
	at := int32(0)
	for g := range start {
		start[g], at = at, at+count[g]
	}
	moved := newMemory(m.of)
	moved.reserve(m.s.len)
	moved.s.len = m.s.len
	next := append([]int32{}, start...)
	from, to := m.value(), moved.value()
	for i, g := range of {
		to.Index(int(next[g])).Set(from.Index(i))
		next[g]++
	}
	m.s = moved.s
	return start, count
}
