package meta

import (
	"cmp"
	"unsafe"
)

// Comparable reports whether [Column.Compare] knows how to compare values of c:
// those that every server stores as they were sent, and finds equal if they are
// equal here or if its collation says so.
func (c *Column) Comparable() bool {
	if c.Ptr {
		return false
	}
	switch c.Encode {
	case KindBool, KindInt16, KindInt32, KindInt64, KindString, KindUUID:
		return true
	}
	return false
}

// Compare compares the column of the entities at p and q, which must be
// [Column.Comparable]. Any order will do that is the same in all programs.
func (c *Column) Compare(p, q unsafe.Pointer) int {
	a, b := unsafe.Add(p, c.Offset), unsafe.Add(q, c.Offset)
	switch c.Encode {
	case KindString:
		return cmp.Compare(*(*string)(a), *(*string)(b))
	case KindUUID:
		return cmp.Compare(string((*[16]byte)(a)[:]), string((*[16]byte)(b)[:]))
	case KindBool:
		return cmp.Compare(*(*uint8)(a), *(*uint8)(b))
	}
	return cmp.Compare(c.Int(p), c.Int(q))
}

// Bytes returns about how many bytes the column of the entity at p has on the
// wire, as far as that can be told without encoding it.
func (c *Column) Bytes(p unsafe.Pointer) int {
	field := unsafe.Add(p, c.Offset)
	if c.Ptr {
		if field = *(*unsafe.Pointer)(field); field == nil {
			return 0
		}
	}
	switch c.Encode {
	case KindString:
		return len(*(*string)(field))
	case KindBytes, KindJSON:
		return len(*(*[]byte)(field))
	case KindStrings:
		n := 0
		for _, s := range *(*[]string)(field) {
			n += len(s)
		}
		return n
	}
	return 0
}

// Varies reports whether values of the column have lengths that differ, and
// that [Column.Bytes] tells.
func (c *Column) Varies() bool {
	switch c.Encode {
	case KindString, KindBytes, KindJSON, KindStrings:
		return true
	}
	return false
}
