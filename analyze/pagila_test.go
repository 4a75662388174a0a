package analyze_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/analyze"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/pagila"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/schema"
)

// rented is a rental with what was rented, and by whom.
type rented struct {
	pagila.Rental
	Copy     *pagila.Inventory
	Customer *pagila.Customer
}

// TestObservedPagila uses a database that was not made for this library. Used as it should be
// nothing in it is worth a warning; used badly, that is found.
func TestObservedPagila(t *testing.T) {
	t.Parallel()
	path, ok := pagila.Find()
	if !ok {
		t.Skip("the dump of Pagila is not there")
	}
	ctx := t.Context()
	o := check.Value(observe.New(observe.Config{}))(t)
	below := testdb.Pool(t, pagila.Schema(path))
	mode := below.Config().ConnConfig.DefaultQueryExecMode
	p := check.Value(pool.Open(ctx, pool.Config{
		URL: below.Config().ConnString(), Profile: pool.Test, MaxConns: 2,
		Configure: func(c *pgxpool.Config) {
			c.ConnConfig.DefaultQueryExecMode = mode
			o.Configure(c)
		},
	}))(t)
	t.Cleanup(p.Close)
	alone := repo.Options{Batching: repo.Batching{Off: true}}
	films, copies, rentals := repo.New(p, pagila.Films, alone), repo.New(p, pagila.Inventories, alone), repo.New(p, pagila.Rentals, alone)
	views := repo.View(rentals, func(v *rented) *pagila.Rental { return &v.Rental })
	ids := []int32{1, 2, 3, 4, 5, 6, 7, 8}
	analysed := func() analyze.Report {
		return *check.Value(analyze.Run(ctx, below, analyze.Options{Snapshots: []observe.Snapshot{o.Snapshot()}}))(t)
	}

	for range 30 {
		ctx := observe.WithScope(ctx, quiet)
		check.Value(films.GetMany(ctx, ids))(t)
		check.Value(films.Count(ctx, query.All[pagila.Film]()))(t)
		check.Value(copies.Find(ctx, query.All[pagila.Inventory]().Limit(20)))(t)
		check.Value(views.Find(ctx, query.All[pagila.Rental]().Limit(20),
			preload.One(pagila.RentalCopy, func(v *rented) **pagila.Inventory { return &v.Copy }),
			preload.One(pagila.RentalCustomer, func(v *rented) **pagila.Customer { return &v.Customer })))(t)
	}
	exec(t, below, "ANALYZE") // what its catalog has is in TestPagila
	good := analysed()
	check.Equal(t, "warnings", warnings(good.Findings), nil)
	check.Same(t, "statements were analysed", good.Statements >= 5, true)

	bad := observe.WithScope(ctx, quiet)
	for range 12 {
		for _, id := range ids {
			check.Value(films.Get(bad, id))(t)
		}
	}
	for range 25 {
		for range films.Stream(bad, query.All[pagila.Film]()) {
			break
		}
	}
	var found []string
	for _, f := range analysed().Findings {
		if f.Level >= schema.Warning && !slices.Contains(found, f.ID) {
			found = append(found, f.ID)
		}
	}
	slices.Sort(found)
	check.Equal(t, "of a program that uses it badly", found, []string{"R1", "R3", "R6"})
}
