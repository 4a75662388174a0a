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

// TestConstraintsAreBounded does so with the columns of constraints.
func TestConstraintsAreBounded(t *testing.T) {
	var k constraints
	for i := range 3 * maxConstraints {
		name := fmt.Sprintf("tenant_%d.films.title", i)
		k.put(name, []string{"title"})
		columns, fresh := k.get(name)
		check.Same(t, "known", len(columns) == 1 && fresh, true)
	}
	if n := len(k.m); n > maxConstraints {
		t.Errorf("%d are remembered, want %d at most", n, maxConstraints)
	}
}
