package table_test

import (
	"reflect"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/table"
)

// TestListGrows: a list that may have 1,000 structs becomes that large in one step once its
// first room is full, and one of a million does not with a few.
func TestListGrows(t *testing.T) {
	t.Parallel()
	type row struct{ a, b int64 }
	of := table.StructsOf(reflect.TypeFor[row]())
	fill := func(most, n int) (rooms int) {
		l := table.List{Of: &of, Most: most}
		l.Start(min(most, 128))
		at := l.Base()
		for i := range n {
			(*row)(l.Next()).a = int64(i)
			if l.Base() != at {
				at = l.Base()
				rooms++
			}
		}
		for i := range n {
			check.Same(t, "row", (*row)(l.Rows().At(i)).a, int64(i))
		}
		return rooms
	}
	check.Same(t, "rooms of 1,000 of 1,000", fill(1000, 1000), 1)
	check.Same(t, "rooms of 128 of 1,000,000", fill(1_000_000, 128), 0)
	check.Same(t, "rooms of 1,024 of 1,000,000", fill(1_000_000, 1024), 1)
	if rooms := fill(0, 1000); rooms < 5 {
		t.Errorf("control: %d rooms of a list that does not know its size", rooms)
	}
}
