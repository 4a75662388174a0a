package preload_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/batch"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestKeysBeyondTheForeignKey loads by keys that columns of other types cannot
// hold: they are in no row.
func TestKeysBeyondTheForeignKey(t *testing.T) {
	type parent struct{ ID int64 }
	type child struct{ ID, ParentID int64 }
	type link struct{ ParentID, ChildID int64 }
	type linkKey struct{ ParentID, ChildID int64 }
	parents := query.NewTable("parents", func(v *parent) *int64 { return &v.ID })
	children := query.NewTable("children", func(v *child) *int64 { return &v.ID })
	links := query.NewCompositeTable("links", query.Key[link, linkKey]{
		query.Part(func(l *link) *int64 { return &l.ParentID }, func(k *linkKey) *int64 { return &k.ParentID }),
		query.Part(func(l *link) *int64 { return &l.ChildID }, func(k *linkKey) *int64 { return &k.ChildID }),
	})
	for _, typ := range []string{"smallint", "integer", "bigint", "numeric(6)"} {
		t.Run(typ, func(t *testing.T) {
			ctx := t.Context()
			pool := testdb.Pool(t, testdb.Empty)
			_, err := pool.Exec(ctx, fmt.Sprintf(`CREATE TABLE parents (id bigint PRIMARY KEY); INSERT INTO parents VALUES (1), (40000), (5000000000);
				CREATE TABLE children (id bigint PRIMARY KEY, parent_id %[1]s); INSERT INTO children VALUES (1, 1);
				CREATE TABLE links (parent_id %[1]s, child_id bigint); INSERT INTO links VALUES (1, 1);
				CREATE TABLE narrow (id %[1]s PRIMARY KEY); INSERT INTO narrow VALUES (1)`, typ), pgx.QueryExecModeSimpleProtocol)
			check.NoError(t, err)
			down := preload.HasMany(parents, children, func(c *child) *int64 { return &c.ParentID })
			across := preload.ManyToMany(parents, links, children, func(l *link) *int64 { return &l.ParentID }, func(l *link) *int64 { return &l.ChildID })
			up := preload.BelongsTo(parents, query.NewTable("narrow", func(v *parent) *int64 { return &v.ID }), func(v *parent) *int64 { return &v.ID })
			for _, alone := range []parent{{1}, {40000}, {5000000000}} { // each is sent by itself
				want := "0 0 false"
				if alone.ID == 1 {
					want = "1 1 true"
				}
				for i, r := range []preload.ToMany[parent, child]{down, across, down.Limit(1), across.Limit(1)} {
					rows := check.Value(r.Load(ctx, pool, []parent{alone}))(t)
					counts := check.Value(r.LoadCounts(ctx, pool, []parent{alone}))(t)
					above := check.Value(up.Load(ctx, pool, []parent{alone}))(t)
					check.Same(t, fmt.Sprintf("%d alone, relation %d", alone.ID, i), fmt.Sprint(len(rows[0]), counts[0], above[0] != nil), want)
				}
			}
			for name, ids := range map[string][]parent{"one": {{1}, {40000}}, "two": {{1}, {40000}, {5000000000}}} {
				for _, r := range []preload.ToMany[parent, child]{down, across, down.Limit(1), across.Limit(1)} {
					got := check.Value(r.Load(ctx, pool, ids))(t)
					check.Same(t, name+": rows", join(got, func(cs *[]child) string { return fmt.Sprint(len(*cs)) })[:3], "1 0")
					counts := check.Value(r.LoadCounts(ctx, pool, ids))(t)
					check.Same(t, name+": number", fmt.Sprint(counts[:2]), "[1 0]")
				}
				above := check.Value(up.Load(ctx, pool, ids))(t)
				check.Same(t, name+": parents", fmt.Sprint(above[0] != nil, above[1] != nil), "true false")
			}
			tx := check.Value(pool.Begin(ctx))(t)
			defer tx.Rollback(ctx) //nolint:errcheck // the test has ended
			check.Same(t, "in a transaction", len(check.Value(down.Load(ctx, tx, []parent{{5000000000}, {1}}))(t)[1]), 1)
		})
	}
}

// TestBlankPaddedKeys loads relations between char(n) and text, both ways, and
// by domains over them.
func TestBlankPaddedKeys(t *testing.T) {
	type lang struct{ Code, Name string }
	type page struct {
		ID   int64
		Lang string
	}
	for _, types := range [][2]string{{"char(6)", "text"}, {"text", "char(6)"}, {"char(6)", "char(3)"}, {"code", "text"}, {"text", "code"}, {"code", "char(9)"}, {"char(6)", "varchar(2)"}} {
		t.Run(strings.Join(types[:], " "), func(t *testing.T) {
			langs := query.NewTable("langs", func(l *lang) *string { return &l.Code })
			pages := query.NewTable("pages", func(p *page) *int64 { return &p.ID })
			langPages := preload.HasMany(langs, pages, func(p *page) *string { return &p.Lang })
			pageLang := preload.BelongsTo(pages, langs, func(p *page) *string { return &p.Lang })
			pool := testdb.Pool(t, testdb.Empty)
			ctx := t.Context()
			_, err := pool.Exec(ctx, fmt.Sprintf(`CREATE DOMAIN code AS char(6); CREATE TABLE langs (code %s PRIMARY KEY, name text NOT NULL); INSERT INTO langs VALUES ('en', ''), ('de', '');
				CREATE TABLE pages (id bigint PRIMARY KEY, lang %s); INSERT INTO pages VALUES (1, 'en'), (2, 'en'), (3, 'fr')`, types[0], types[1]), pgx.QueryExecModeSimpleProtocol)
			check.NoError(t, err)
			ls := check.Value(repo.New(pool, langs).Find(ctx, query.All[lang]().OrderBy(query.Col(func(l *lang) *string { return &l.Code }).Desc())))(t)
			ps := check.Value(repo.New(pool, pages).Find(ctx, query.All[page]().OrderBy(query.Col(func(p *page) *int64 { return &p.ID }).Asc())))(t)
			for name, r := range map[string]preload.ToMany[lang, page]{"all": langPages, "limited": langPages.Limit(5)} {
				got := check.Value(r.Load(ctx, pool, ls))(t)
				check.Same(t, name, fmt.Sprint(len(got[0]), len(got[1])), "2 0")
			}
			check.Same(t, "number", fmt.Sprint(check.Value(langPages.LoadCounts(ctx, pool, ls))(t)), "[2 0]")
			check.Same(t, "exist", fmt.Sprint(check.Value(langPages.LoadExists(ctx, pool, ls))(t)), "[true false]")
			above := check.Value(pageLang.Load(ctx, pool, ps))(t)
			check.Same(t, "above", fmt.Sprint(above[0] != nil, above[1] != nil, above[2] != nil), "true true false")
			// The server compares by itself in conditions and joined loads.
			check.Same(t, "with pages", check.Value(repo.New(pool, langs).Count(ctx, query.Where(langPages.Has())))(t), 1)
		})
	}
}

// TestKeyTypesChange loads by a key that was a text and is a uuid now, and by one
// of another schema.
func TestKeyTypesChange(t *testing.T) {
	type owner struct{ Code string }
	type pet struct {
		ID    int64
		Owner string
	}
	owners := query.NewTable("owners", func(o *owner) *string { return &o.Code })
	pets := query.NewTable("pets", func(p *pet) *int64 { return &p.ID })
	ownerPets := preload.HasMany(owners, pets, func(p *pet) *string { return &p.Owner })
	pool := testdb.Pool(t, testdb.Empty)
	ctx := t.Context()
	code := "00000000-0000-0000-0000-000000000001"
	sql := func(text string) {
		t.Helper()
		_, err := pool.Exec(ctx, text, pgx.QueryExecModeSimpleProtocol)
		check.NoError(t, err)
	}
	sql(`CREATE TABLE owners (code text PRIMARY KEY); CREATE TABLE pets (id bigint PRIMARY KEY, owner text); INSERT INTO pets VALUES (1, '` + code + `')`)
	for _, change := range []string{
		"", "ALTER TABLE pets ALTER owner TYPE uuid USING owner::uuid", "ALTER TABLE pets ALTER owner TYPE varchar(40) USING owner::text",
		"CREATE DOMAIN ident AS uuid; ALTER TABLE pets ALTER owner TYPE ident USING owner::uuid",
	} {
		sql(change + ";")
		for _, by := range []preload.ToMany[owner, pet]{ownerPets, ownerPets.Limit(1)} {
			var got [][]pet
			var err error
			for range 20 { // each connection has a plan of its own to lose
				if got, err = by.Load(ctx, pool, []owner{{code}, {"00000000-0000-0000-0000-000000000002"}}); err == nil {
					break
				}
			}
			if err != nil || len(got[0]) != 1 {
				t.Errorf("after %q: %v, %v", change, got, err)
			}
		}
	}
}

// TestTiesComeInTheOrderOfTheKey loads rows whose order leaves them equal, written
// so that the server finds them in another order.
func TestTiesComeInTheOrderOfTheKey(t *testing.T) {
	type house struct{ ID int64 }
	type room struct{ ID, HouseID, Size int64 }
	type door struct{ HouseID, RoomID int64 }
	type doorKey struct{ HouseID, RoomID int64 }
	houses := query.NewTable("houses", func(h *house) *int64 { return &h.ID })
	rooms := query.NewTable("rooms", func(r *room) *int64 { return &r.ID })
	doors := query.NewCompositeTable("doors", query.Key[door, doorKey]{
		query.Part(func(d *door) *int64 { return &d.HouseID }, func(k *doorKey) *int64 { return &k.HouseID }),
		query.Part(func(d *door) *int64 { return &d.RoomID }, func(k *doorKey) *int64 { return &k.RoomID }),
	})
	size := query.Col(func(r *room) *int64 { return &r.Size })
	pool := testdb.Pool(t, testdb.SQL("ties", `CREATE TABLE houses (id bigint PRIMARY KEY); CREATE TABLE rooms (id bigint PRIMARY KEY, house_id bigint, size bigint);
		CREATE TABLE doors (house_id bigint, room_id bigint, PRIMARY KEY (house_id, room_id));
		INSERT INTO houses VALUES (1), (2); INSERT INTO rooms SELECT i, 1 + i % 2, i % 3 FROM generate_series(60, 1, -1) i; INSERT INTO doors SELECT house_id, id FROM rooms`))
	for name, r := range map[string]preload.ToMany[house, room]{
		"has many":     preload.HasMany(houses, rooms, func(r *room) *int64 { return &r.HouseID }),
		"many to many": preload.ManyToMany(houses, doors, rooms, func(d *door) *int64 { return &d.HouseID }, func(d *door) *int64 { return &d.RoomID }),
	} {
		for _, r := range []preload.ToMany[house, room]{r, r.OrderBy(size.Asc()), r.OrderBy(size.Desc()).Limit(15)} {
			for _, rs := range check.Value(r.Load(t.Context(), pool, []house{{1}, {2}}))(t) {
				for i := 1; i < len(rs); i++ {
					if rs[i].Size == rs[i-1].Size && rs[i].ID < rs[i-1].ID {
						t.Fatalf("%s: %+v", name, rs)
					}
				}
			}
		}
	}
}

// bomb panics when it is read.
type bomb string

func (b *bomb) Scan(any) error { panic(errBomb) }

var errBomb = errors.New("bomb")

// TestPanicsInLoads reads rows of a type that panics, in loads that run at the
// same time and in others. The panic arrives where the load was called, and the
// connections are free.
func TestPanicsInLoads(t *testing.T) {
	type house struct{ ID int64 }
	type room struct {
		ID, HouseID int64
		Kind        bomb
	}
	type view struct {
		house
		A, B []room `db:"-"`
	}
	houses := query.NewTable("houses", func(h *house) *int64 { return &h.ID })
	rooms := query.NewTable("rooms", func(r *room) *int64 { return &r.ID })
	houseRooms := preload.HasMany(houses, rooms, func(r *room) *int64 { return &r.HouseID })
	pool := testdb.Pool(t, testdb.SQL("bombs", `CREATE TABLE houses (id bigint PRIMARY KEY); CREATE TABLE rooms (id bigint PRIMARY KEY, house_id bigint, kind text);
		INSERT INTO houses VALUES (1), (2); INSERT INTO rooms SELECT i, 1 + i % 2, 'x' FROM generate_series(1, 10) i`), testdb.MaxConns(3))
	ctx := t.Context()
	a := preload.Many(houseRooms, func(v *view) *[]room { return &v.A })
	b := preload.Many(houseRooms, func(v *view) *[]room { return &v.B })
	joined := preload.Many(houseRooms.Joined(), func(v *view) *[]room { return &v.A })
	find := func(db smrt.DB, loads ...preload.Load[view]) func() error {
		return func() error {
			_, err := repo.View(repo.New(db, houses), func(v *view) *house { return &v.house }).Find(ctx, query.All[house](), loads...)
			return err
		}
	}
	for name, run := range map[string]func() error{
		"one load":  find(pool, a),
		"two loads": find(pool, a, b),
		"joined":    find(pool, joined),
		"get":       func() error { _, err := repo.New(pool, rooms).Get(ctx, 1); return err },
		"snapshot":  func() error { return preload.Snapshot(ctx, pool, func(db smrt.DB) error { return find(db, a, b)() }) },
		"fill": func() error {
			return preload.Fill(ctx, pool, []view{{house: house{1}}}, a, b)
		},
		"transaction": func() error {
			tx, err := pool.Begin(ctx)
			if err != nil {
				return err
			}
			defer tx.Rollback(ctx) //nolint:errcheck // the test is about the panic
			return find(tx, a, b)()
		},
		"stream": func() error {
			for _, err := range repo.View(repo.New(pool, houses), func(v *view) *house { return &v.house }).Stream(ctx, query.All[house](), a, b) {
				return err
			}
			return nil
		},
	} {
		for range 4 { // more often than the pool has connections
			func() {
				defer func() {
					v := recover()
					err, _ := v.(error)
					if !errors.Is(err, errBomb) {
						t.Errorf("%s: recovered %v", name, v)
					}
					var elsewhere *batch.PanicError
					if errors.As(err, &elsewhere) && !strings.Contains(string(elsewhere.Stack), "Scan") {
						t.Errorf("%s: the stack is not that of the panic: %s", name, elsewhere.Stack)
					}
				}()
				t.Errorf("%s: no panic, %v", name, run())
			}()
			check.NoError(t, pool.Ping(ctx))
		}
	}
	check.Same(t, "connections in use", pool.Stat().AcquiredConns(), 0)
}
