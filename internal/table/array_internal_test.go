package table

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/meta"
)

// TestArrayTypesAreBounded asks for one column in many schemas, each with a type
// of its own.
func TestArrayTypesAreBounded(t *testing.T) {
	s := check.Value(meta.Of(reflect.TypeFor[struct{ Status string }]()))(t)
	for i := range 3 * maxArrayTypes {
		c := &Catalog{Columns: map[string]ColumnType{"status": {Name: fmt.Sprintf("tenant_%d.status", i)}}}
		_, _ = (&Table{}).ArrayTypes(c, s.Columns)
	}
	n := 0
	arrayTypes.Range(func(_, _ any) bool {
		n++
		return true
	})
	if n == 0 || n > maxArrayTypes {
		t.Errorf("%d are remembered, want %d at most", n, maxArrayTypes)
	}
}
