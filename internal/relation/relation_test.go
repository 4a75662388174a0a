package relation_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/smrt-go/smrt/internal/relation"
)

func TestRelationSaysWhereItIs(t *testing.T) {
	t.Parallel()
	r := relation.Relation{Kind: "belongs-to", Parent: "shop.Product", Child: "shop.Category", Site: "tables.go:120"}
	if got, want := r.String(), "belongs-to shop.Product -> shop.Category (declared at tables.go:120)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDeclareRelation(t *testing.T) {
	t.Parallel()
	columns := []string{`"a"`}
	r := relation.Relation{Kind: "has-one", Parent: "p", Child: "c", Table: `"declared"`, Columns: columns, Site: "x.go:1"}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 100 { // for every request, say
				relation.Declare(r)
			}
			other := r
			other.Site = fmt.Sprint("x.go:", i+2)
			relation.Declare(other)
			relation.All()
		})
	}
	group.Wait()
	columns[0] = `"changed"`
	all := relation.All()
	if len(all) != 9 {
		t.Fatalf("%d relations, want 9", len(all))
	}
	for _, r := range all {
		if !slices.Equal(r.Columns, []string{`"a"`}) {
			t.Errorf("whoever declared it changed what is known: %v", r)
		}
	}
	all[0].Columns[0] = `"changed"`
	if again := relation.All(); again[0].Columns[0] != `"a"` {
		t.Errorf("a caller changed what is known: %v", again[0])
	}
}
