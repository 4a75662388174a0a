package observe_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/slots"
	"github.com/smrt-go/smrt/unit"
)

// kinds are those of what is kept; of each whether it can be made less.
var kinds = map[string]bool{
	"array types": true, "call sites": true, "catalogs": true, "constraints": true, "foreign keys": true, "gates": true, "handles": false,
	"loads": true, "names": false, "plan costs": true, "plans": true, "relations": false, "shapes": true, "spots": true, "statements": true, "structs": false, "texts": true,
}

type land struct{ Code, Name string }

type town struct {
	ID   int64
	Land string
	In   *land `db:"-"`
}

// everything uses all that keeps something, with tables that are declared in it.
func everything(t *testing.T, p *pgxpool.Pool) {
	ctx := t.Context()
	check.Value(p.Exec(ctx, "TRUNCATE towns, lands"))(t)
	lands := query.NewTable("lands", func(l *land) *string { return &l.Code })
	towns := query.NewTable("towns", func(c *town) *int64 { return &c.ID })
	townLand := query.TextCol(func(c *town) *string { return &c.Land })
	in := preload.BelongsTo(towns, lands, func(c *town) *string { return &c.Land })
	u := unit.New()
	for _, code := range []string{"at", "be"} {
		unit.Create(u, lands, &land{Code: code, Name: code})
		unit.Create(u, towns, &town{Land: code})
	}
	check.Value(u.Flush(ctx, p))(t)
	all := repo.New(p, towns)
	found := check.Value(all.Find(ctx, query.Where(townLand.Ne("")), preload.One(in, func(c *town) **land { return &c.In })))(t)
	check.Same(t, "towns", len(found), 2)
	check.Value(repo.New(guard.On(p, guard.Limits{MaxPlanCost: 1_000_000}), towns).Count(ctx, query.All[town]()))(t)
	check.Value(all.Get(ctx, found[0].ID))(t)
	check.NoError(t, all.CreateMany(ctx, []town{{Land: "at"}, {Land: "be"}}))
	if err := repo.New(p, lands).Create(ctx, &land{Code: "at"}); err == nil {
		t.Error("a row that is there already was created again")
	}
	_, err := slots.On(p, slots.For(towns, query.Where(townLand.Eq("at")))).Exec(ctx, "DELETE FROM towns AS t WHERE false /* smrt:where towns t */")
	check.NoError(t, err)
	scope := observe.WithScope(ctx, observe.Options{Policy: observe.Ignore})
	for range 20 {
		check.Value(all.Get(scope, found[1].ID))(t)
	}
	runtime.KeepAlive(lands)
	runtime.KeepAlive(towns)
}

// countKept returns the entries of all kinds.
func countKept() map[string]int {
	now := map[string]int{}
	for _, k := range observe.Memory() {
		now[k.Name] = k.Entries
	}
	return now
}

// TestEveryKindIsKeptAndGivenBack: all that keeps something is in the report, can be
// made less, and has nothing of a table and a pool that are gone.
func TestEveryKindIsKeptAndGivenBack(t *testing.T) {
	o := newObserver(t, observe.Config{})
	func() {
		p := unobserved(t)
		_, err := p.Exec(t.Context(), "CREATE TABLE lands (code text PRIMARY KEY, name text NOT NULL); "+
			"CREATE TABLE towns (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, land text NOT NULL REFERENCES lands)")
		check.NoError(t, err)
		c := p.Config()
		o.Configure(c)
		observed := check.Value(pgxpool.NewWithConfig(context.Background(), c))(t)
		defer observed.Close()
		observe.Shrink(0)
		everything(t, observed)
		after := observe.Memory()
		check.Same(t, "kinds", len(after), len(kinds))
		for _, k := range after {
			if _, known := kinds[k.Name]; !known {
				t.Errorf("%s is not expected", k.Name)
			}
			if k.Entries == 0 {
				t.Errorf("%+v", k)
			}
			if kinds[k.Name] && (k.Capacity == 0 && k.Name != "gates" || k.Bytes == 0) {
				t.Errorf("%+v has no capacity or no size", k)
			}
		}
		observe.Shrink(0)
		for _, k := range observe.Memory() {
			if kinds[k.Name] && k.Entries > 0 {
				t.Errorf("%+v after Shrink", k)
			}
		}
		everything(t, observed)
		if now := countKept(); now["foreign keys"] == 0 || now["gates"] == 0 || now["loads"] == 0 {
			t.Errorf("kept after Shrink: %v", now)
		}
	}()
	left := func() (names []string) {
		now := countKept()
		for _, name := range []string{"constraints", "foreign keys", "gates", "loads"} {
			if now[name] > 0 {
				names = append(names, name)
			}
		}
		return names
	}
	for end := time.Now().Add(10 * time.Second); len(left()) > 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		runtime.GC()
	}
	if names := left(); len(names) > 0 {
		t.Errorf("kept of what is gone: %v in %+v", names, observe.Memory())
	}
	runtime.KeepAlive(o)
}
