package relation_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/relation"
)

func TestRelationSaysWhereItIs(t *testing.T) {
	t.Parallel()
	r := relation.Relation{Kind: "belongs-to", Parent: "shop.Product", Child: "shop.Category", Site: "tables.go:120"}
	if got, want := r.String(), "belongs-to shop.Product -> shop.Category (declared at tables.go:120)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// declaration is what the tests declare their relations by: a variable that lasts.
var declaration struct{ name string }

// of returns the relations that read a table.
func of(table string) []relation.Relation {
	return slices.DeleteFunc(relation.All(), func(r relation.Relation) bool { return r.Table != table })
}

func TestDeclareRelation(t *testing.T) {
	t.Parallel()
	columns := []string{`"a"`}
	r := relation.Relation{Kind: "has-one", Parent: "p", Child: "c", Table: `"declared"`, Columns: columns, Site: "x.go:1"}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 100 { // for every request, say
				relation.Declare(&declaration, r)
			}
			other := r
			other.Site = fmt.Sprint("x.go:", i+2)
			relation.Declare(&declaration, other)
			relation.All()
		})
	}
	group.Wait()
	columns[0] = `"changed"`
	all := of(r.Table)
	if len(all) != 9 {
		t.Fatalf("%d relations, want 9", len(all))
	}
	for _, r := range all {
		if !slices.Equal(r.Columns, []string{`"a"`}) {
			t.Errorf("whoever declared it changed what is known: %v", r)
		}
	}
	all[0].Columns[0] = `"changed"`
	if again := of(r.Table); again[0].Columns[0] != `"a"` {
		t.Errorf("a caller changed what is known: %v", again[0])
	}
}

// TestDroppedRelations drops declarations: a relation is known until the last of
// its declarations is gone, and the others stay in their order.
func TestDroppedRelations(t *testing.T) {
	const table = `"dropped"`
	known := func() (sites []string) {
		for _, r := range of(table) {
			sites = append(sites, r.Site)
		}
		return sites
	}
	var kept []*relation.Relation
	for i := range 1000 {
		r := &relation.Relation{Kind: "has-many", Table: table, Site: fmt.Sprint("x.go:", i/2)} // each twice
		relation.Declare(r, *r)
		if i%200 == 0 {
			kept = append(kept, r)
		}
	}
	want := []string{"x.go:0", "x.go:100", "x.go:200", "x.go:300", "x.go:400"}
	deadline := time.Now().Add(10 * time.Second)
	for !slices.Equal(known(), want) {
		if time.Now().After(deadline) {
			t.Fatalf("%d are known, want %v", len(known()), want)
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	runtime.KeepAlive(kept)
}
