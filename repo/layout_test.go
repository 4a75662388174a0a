package repo_test

import (
	"reflect"
	"testing"

	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/load"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestTypesHaveTheLayoutOfTheirCore guards the places where a value of the core
// is given its type: both sides must be the same words in memory, pointers where
// pointers are.
func TestTypesHaveTheLayoutOfTheirCore(t *testing.T) {
	for _, c := range []struct{ typed, core reflect.Type }{
		{reflect.TypeFor[[]measurement](), reflect.TypeFor[table.Slice]()},
		{reflect.TypeFor[[]*measurement](), reflect.TypeFor[[]byte]()},
		{reflect.TypeFor[repo.Outcome](), reflect.TypeFor[crud.Outcome]()},
		{reflect.TypeFor[repo.Page[measurement]](), reflect.TypeFor[crud.Page]()},
		{reflect.TypeFor[repo.OffsetPage[measurement]](), reflect.TypeFor[crud.OffsetPage]()},
		{reflect.TypeFor[repo.Repository[measurement, int64]](), reflect.TypeFor[crud.Bound]()},
		{reflect.TypeFor[repo.Reader[measurement, int64, struct{ ID int64 }]](), reflect.TypeFor[crud.Bound]()},
		{reflect.TypeFor[[]preload.Load[measurement]](), reflect.TypeFor[load.Loads]()},
		{reflect.TypeFor[preload.Load[measurement]](), reflect.TypeFor[*load.Load]()},
		{reflect.TypeFor[preload.Ref[measurement]](), reflect.TypeFor[load.Ref]()},
		{reflect.TypeFor[query.Predicate[measurement]](), reflect.TypeFor[plan.Node]()},
		{reflect.TypeFor[query.Order[measurement]](), reflect.TypeFor[meta.Order]()},
		{reflect.TypeFor[query.Assignment[measurement]](), reflect.TypeFor[plan.Set]()},
		{reflect.TypeFor[query.KeyPart[measurement, int64]](), reflect.TypeFor[meta.KeyPart]()},
		{reflect.TypeFor[query.Table[measurement, int64]](), reflect.TypeFor[*plan.Table]()},
		{reflect.TypeFor[query.TableOption[measurement]](), reflect.TypeFor[func()]()},
	} {
		typed, core := words(c.typed, 0, nil), words(c.core, 0, nil)
		if !reflect.DeepEqual(typed, core) || c.typed.Size() != c.core.Size() {
			t.Errorf("%s is\n%v, %s is\n%v", c.typed, typed, c.core, core)
		}
	}
}

// word is a scalar in memory.
type word struct {
	offset  uintptr
	size    uintptr
	pointer bool
}

// words are the scalars of a value of type t at an offset.
func words(t reflect.Type, at uintptr, out []word) []word {
	const size = 8 // of a word, on the platforms that tests run on
	pointer := func(n uintptr) word { return word{at + n*size, size, true} }
	number := func(n uintptr) word { return word{at + n*size, size, false} }
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			out = words(t.Field(i).Type, at+t.Field(i).Offset, out)
		}
		return out
	case reflect.Slice:
		return append(out, pointer(0), number(1), number(2))
	case reflect.String:
		return append(out, pointer(0), number(1))
	case reflect.Interface:
		return append(out, pointer(0), pointer(1))
	case reflect.Pointer, reflect.UnsafePointer, reflect.Func, reflect.Map:
		return append(out, pointer(0))
	}
	return append(out, word{at, t.Size(), false})
}
