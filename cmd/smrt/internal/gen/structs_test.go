package gen_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/smrt-go/smrt/cmd/smrt/internal/gen"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/meta"
)

// TestColumnsOfStructs compares the columns that the compiler's types give with
// those of package meta, which declarations have.
func TestColumnsOfStructs(t *testing.T) {
	text := check.Value(os.ReadFile("structs_types_test.go"))(t)
	dir := check.Value(filepath.Abs("structs_of_test"))(t)
	path := filepath.Join(dir, "structs.go")
	pkg := check.Value(gen.Load(dir, map[string][]byte{path: text}))(t)
	got := gen.ColumnsOf(pkg)
	for _, v := range []any{
		Plain{},
		Embedding{},
		EmbeddingTagged{},
		Kinds{},
		WithStruct{},
		WithStructs{},
		WithPointer{},
		WithMap{},
		WithFace{},
		WithFunc{},
		TaggedAway{},
		SameTwice{},
		Quoted{},
		Reserved{},
		Audit{},
		Position{},
		Scanned{},
	} {
		var want []string
		if s, err := meta.Of(reflect.TypeOf(v)); err == nil {
			for _, c := range s.Columns {
				want = append(want, c.Name)
			}
		}
		name := reflect.TypeOf(v).Name()
		check.Equal(t, "columns of "+name, got[name], want)
	}
	_ = Plain{}.unexported
	_ = Scanned{}.parts
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"order_items": "OrderItems", "api_keys": "APIKeys", "user_ids": "UserIDs", "a-b": "AB", "two words": "TwoWords", "2fast": "X2fast",
		"größen": "Größen", "名前": "X名前", "Mixed": "Mixed", "type": "Type", "!": "X21", "sales.orders": "SalesOrders", "é": "É", "ß": "Xß",
	} {
		check.Same(t, name, gen.Exported(name), want)
	}
	for name, want := range map[string]string{
		"orders": "order", "categories": "category", "addresses": "address", "order_statuses": "order_status", "status": "status", "news": "news",
		"series": "series", "people": "person", "movies": "movie", "boxes": "box", "branches": "branch", "houses": "house", "price_history": "price_history",
		"bus": "bus", "analysis": "analysis", "s": "s", "ties": "tie", "children": "child",
	} {
		check.Same(t, name, gen.Singular(name), want)
	}
	for name, want := range map[string]string{
		"CategoryID": "Category", "OwnerId": "Owner", "HotKey": "Hot", "ID": "", "Parent": "Parent", "Paid": "Paid",
	} {
		check.Same(t, name, gen.WithoutKey(name), want)
	}
}
