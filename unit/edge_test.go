package unit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// TestSelf proves that a row can refer to itself.
func TestSelf(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	ns := []node{{Label: "a"}, {Label: "b"}}
	ks := unit.CreateMany(u, nodes, ns)
	unit.Link(u, &ns[0], unit.Refer(nodeParent, ks[0]))
	unit.Link(u, &ns[1], unit.Refer(nodeParent, ks[0]))
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "parents", []int32{*ns[0].Parent, *ns[1].Parent}, []int32{ns[0].ID, ns[0].ID})
	check.Equal(t, "nodes", text(t, l, "label || (parent = id)", "nodes"), "atrue bfalse")
}

// TestChain proves that a thousand rows, each of which refers to the one before,
// are one round trip, and that ordering a hundred thousand takes no time that
// grows with their square.
func TestChain(t *testing.T) {
	l := newLeague(t)
	chain := func(n int) ([]node, *unit.Unit) {
		u, ns := unit.New(), make([]node, n)
		ks := unit.CreateMany(u, nodes, ns)
		for i := 1; i < n; i++ {
			unit.Link(u, &ns[n-1-i], unit.Refer(nodeParent, ks[n-i]))
		}
		return ns, u
	}
	ns, u := chain(1000)
	sum, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "statements", sum.Statements, 1000)
	check.Equal(t, "depth", one[int64](t, l, `WITH RECURSIVE up AS (SELECT id, parent FROM nodes WHERE id = $1
		UNION ALL SELECT n.id, n.parent FROM nodes n JOIN up ON n.id = up.parent) SELECT count(*) FROM up`, ns[0].ID), 1000)
	_, u = chain(100_000)
	start := time.Now()
	_, err = u.Plan(t.Context(), l)
	check.NoError(t, err)
	if took := time.Since(start); took > testdb.Patience(30*time.Second) {
		t.Errorf("took %s", took)
	}
}

// TestUpdateGetsKeys proves that rows which exist can be given keys of rows that
// the unit creates, also where arrays cannot carry a column of theirs.
func TestUpdateGetsKeys(t *testing.T) {
	l := newLeague(t)
	exec(t, l, "CREATE TABLE racks (id bigint PRIMARY KEY, pages integer[] NOT NULL, latest bigint REFERENCES reports, version bigint NOT NULL DEFAULT 1)")
	type rack struct {
		ID      int64
		Pages   []int32
		Latest  *int64
		Version int64
	}
	latest := query.NullCol(func(r *rack) **int64 { return &r.Latest })
	racks := query.NewTable("racks", func(r *rack) *int64 { return &r.ID }, query.Version(func(r *rack) *int64 { return &r.Version }))
	c := team{Name: "t"}
	old := rack{ID: 7, Pages: []int32{1}}
	u := unit.New()
	unit.Create(u, teams, &c)
	unit.Create(u, racks, &old)
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)

	p, r := player{Name: "p", Team: c.ID}, report{Slug: "r"}
	c.Name = "u"
	unit.Update(u, teams, &c, unit.Refer(captain, unit.Create(u, players, &p)))
	old.Pages = []int32{2, 3}
	unit.Update(u, racks, &old, unit.Refer(latest, unit.Create(u, reports, &r)))
	l.sent.Reset()
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "in memory", []int64{*c.Captain, *old.Latest, old.Version}, []int64{p.ID, r.ID, 2})
	check.Equal(t, "teams", text(t, l, "teams.name || players.name", "teams JOIN players ON captain = players.id"), "up")
	check.Equal(t, "racks", text(t, l, "slug || array_to_string(pages, '')", "racks JOIN reports ON latest = reports.id"), "r23")

	exec(t, l, "UPDATE racks SET version = 9")
	unit.Update(u, racks, &old)
	_, err = u.Flush(t.Context(), l)
	check.Error(t, "stale", err, smrt.ErrStale)
	u.Discard()
	old.ID = 8
	unit.Update(u, racks, &old)
	_, err = u.Flush(t.Context(), l)
	check.Error(t, "missing", err, smrt.ErrNotFound)
	if errors.Is(err, smrt.ErrStale) {
		t.Error(err)
	}
	u.Discard()
	unit.Update(u, badges, &badge{Report: 1}, unit.Refer(badgeReport, unit.Create(u, reports, &report{Slug: "s"})))
	_, err = u.Flush(t.Context(), l)
	check.Error(t, "key", err, smrt.ErrBadQuery)
	u.Discard()
	unit.Create(u, notes, &note{}, unit.Reference[note]{})
	_, err = u.Flush(t.Context(), l)
	check.Error(t, "no reference", err, smrt.ErrBadQuery)
}

// TestStaleAnywhere proves that a stale row is named wherever it is.
func TestStaleAnywhere(t *testing.T) {
	l := newLeague(t)
	const n = 10
	slugs := make([]string, n)
	for i := range slugs {
		slugs[i] = fmt.Sprint("slug ", i)
	}
	rs := stored(t, l, slugs...)
	for at := range rs {
		exec(t, l, "UPDATE reports SET version = version + 1 WHERE id = $1", rs[at].ID)
		u := unit.New()
		unit.Create(u, events, &event{Message: "x"})
		for i := range rs {
			rs[i].Rank = int32(at)
			unit.Update(u, reports, &rs[i])
		}
		_, err := u.Flush(t.Context(), l)
		var row *unit.RowError
		if !errors.Is(err, smrt.ErrStale) || !errors.As(err, &row) || row.Entity != any(&rs[at]) || row.Index != at+1 {
			t.Fatalf("row %d: %v", at, err)
		}
		rs[at].Version++
	}
	check.Equal(t, "events", one[int64](t, l, "SELECT count(*) FROM events"), 0)
	check.Equal(t, "changed", one[int64](t, l, "SELECT count(*) FROM reports WHERE rank <> 5"), 0)
}

// TestOddNames proves that names which need quotes, and names that the
// statements use themselves, are no trouble.
func TestOddNames(t *testing.T) {
	l := newLeague(t)
	exec(t, l, `CREATE SCHEMA "My ""schema"""`)
	exec(t, l, `CREATE TABLE "My ""schema"""."Order; --" ("ID" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "ord" text, "u" bigint NOT NULL DEFAULT 1)`)
	exec(t, l, `CREATE TABLE "t w" ("t" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "r0" bigint CONSTRAINT "fk ""of"" it" REFERENCES "My ""schema"""."Order; --" DEFERRABLE, "c0" text)`)
	type order struct {
		ID  int64 `db:"ID"`
		Ord string
		U   int64
	}
	type line struct {
		T  int64
		R0 *int64
		C0 string
	}
	orders := query.NewTable(`My "schema".Order; --`, func(o *order) *int64 { return &o.ID }, query.Version(func(o *order) *int64 { return &o.U }))
	lines := query.NewTable("t w", func(l *line) *int64 { return &l.T })
	lineOrder := query.NullCol(func(l *line) **int64 { return &l.R0 })
	u := unit.New()
	os, ls := []order{{Ord: "a"}, {Ord: "b"}}, []line{{C0: "x"}, {C0: "y"}, {C0: "z"}}
	ks := unit.CreateMany(u, orders, os)
	for i := range ls[:2] {
		unit.Create(u, lines, &ls[i], unit.Refer(lineOrder, ks[i]))
	}
	unit.Create(u, lines, &ls[2]) // refers to nothing
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "references", []bool{*ls[0].R0 == os[0].ID, *ls[1].R0 == os[1].ID, ls[2].R0 == nil}, []bool{true, true, true})
	os[0].Ord = "c"
	unit.Update(u, orders, &os[0])
	unit.Patch(u, lines, ls[0].T, lineOrder.SetNull())
	unit.Remove(u, orders, &os[1])
	unit.Delete(u, lines, ls[1].T)
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "left", text(t, l, `"ord" || "u"`, `"My ""schema"""."Order; --"`), "c2")
}

// TestTwoDatabases proves that what is learnt of one database is not taken for
// true of another: here the foreign key differs.
func TestTwoDatabases(t *testing.T) {
	a, b := newLeague(t), newLeague(t)
	exec(t, b, "ALTER TABLE locks DROP CONSTRAINT locks_key_fkey")
	for range 2 {
		add := func() *unit.Unit {
			u := unit.New()
			unit.Create(u, keys, &key{ID: "k", Lock: "l"})
			unit.Create(u, locks, &lock{ID: "l", Key: "k"})
			return u
		}
		_, err := add().Flush(t.Context(), a)
		var ring *unit.CycleError
		if !errors.As(err, &ring) {
			t.Errorf("got %v", err)
		}
		_, err = add().Flush(t.Context(), b)
		check.NoError(t, err)
		exec(t, b, "DELETE FROM keys; ")
		exec(t, b, "DELETE FROM locks")
	}
}

// TestConstraintsChange proves that a program notices when a ring is opened as
// the error says, and when a constraint is no longer what it was, alone and in a
// transaction.
func TestConstraintsChange(t *testing.T) {
	l := newLeague(t)
	add := func() *unit.Unit {
		u := unit.New()
		unit.Create(u, locks, &lock{ID: "l", Key: "k"})
		unit.Create(u, keys, &key{ID: "k", Lock: "l"})
		return u
	}
	alone := func() error {
		_, err := add().Flush(t.Context(), l)
		exec(t, l, "TRUNCATE locks, keys")
		return err
	}
	joined := func() error {
		tx, err := l.Begin(t.Context())
		check.NoError(t, err)
		defer tx.Rollback(t.Context())
		_, err = add().Flush(t.Context(), tx)
		return err
	}
	var ring *unit.CycleError
	if err := alone(); !errors.As(err, &ring) {
		t.Errorf("got %v", err)
	}
	exec(t, l, "ALTER TABLE locks ALTER CONSTRAINT locks_key_fkey DEFERRABLE")
	check.NoError(t, alone())
	exec(t, l, "ALTER TABLE locks RENAME CONSTRAINT locks_key_fkey TO other")
	check.NoError(t, alone())
	exec(t, l, "ALTER TABLE locks RENAME CONSTRAINT other TO third")
	if err := joined(); err == nil {
		t.Error("a constraint that is gone was deferred")
	}
	check.NoError(t, joined())
	exec(t, l, "ALTER TABLE locks ALTER CONSTRAINT third NOT DEFERRABLE")
	if err := alone(); !errors.As(err, &ring) {
		t.Errorf("got %v", err)
	}
}

// TestHundredThousand proves that rows in numbers that take several statements
// get the keys of their own parents: 20,000 where tests do not run at full size.
func TestHundredThousand(t *testing.T) {
	l := newLeague(t)
	exec(t, l, "CREATE INDEX ON notes (report); CREATE INDEX ON notes (reply_to)")
	n, statements := 20_000, 2
	if check.Long() {
		n, statements = 100_000, 6
	}
	u, rs, ns := unit.New(), make([]report, n/2), make([]note, n/2)
	for i := range rs {
		rs[i].Slug = fmt.Sprint(i)
		ns[i].Body = rs[i].Slug
	}
	for i, k := range unit.CreateMany(u, reports, rs) {
		unit.Create(u, notes, &ns[i], unit.Refer(noteReport, k))
	}
	sum, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "summary", sum.String(), fmt.Sprintf("reports: %d created; notes: %[1]d created", n/2))
	check.Equal(t, "statements", sum.Statements, statements)
	check.Equal(t, "matches", one[int64](t, l, "SELECT count(*) FROM notes JOIN reports r ON r.id = report AND slug = body"), int64(n/2))
	for i := range rs {
		unit.HardDelete(u, reports, rs[i].ID)
		unit.Delete(u, notes, ns[i].ID)
	}
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "left", one[int64](t, l, "SELECT count(*) FROM reports"), 0)
}

// TestFlushedTwice proves what several flushes in one transaction that is
// repeated, or rolled back, leave in unit and entities.
func TestFlushedTwice(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	r := report{Slug: "r"}
	unit.Create(u, reports, &r)
	own := errors.New("own")
	for _, last := range []bool{false, true} {
		attempts := 0
		err := txn.Run(t.Context(), l.Pool, func(ctx context.Context, tx pgx.Tx) error {
			attempts++
			check.Equal(t, "at the start", u.Len(), 1)
			check.Equal(t, "entity", r, report{Slug: "r"})
			if _, err := u.Flush(ctx, tx); err != nil {
				return err
			}
			r.Rank = 9
			unit.Update(u, reports, &r)
			if _, err := u.Flush(ctx, tx); err != nil {
				return err
			}
			unit.Create(u, notes, &note{Body: "left behind", Report: r.ID})
			switch {
			case attempts < 3:
				_, err := tx.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$")
				return err
			case !last:
				return own
			}
			u.Discard()
			return nil
		})
		check.Equal(t, "attempts", attempts, 3)
		if last {
			check.NoError(t, err)
		} else {
			check.Error(t, "own", err, own)
		}
	}
	check.Equal(t, "reports", text(t, l, state, "reports"), "r92")
	check.Equal(t, "entity", []int64{int64(r.Rank), r.Version}, []int64{9, 2})
	check.Equal(t, "unit", u.Len(), 0)
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
}

// TestKilled proves that what is reported is what happened while backends are
// killed, without keys and with them.
func TestKilled(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(4))
	stop := make(chan struct{})
	killed := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				killed <- n
				return
			case <-time.After(20 * time.Millisecond):
			}
			var was int
			err := l.QueryRow(context.Background(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'`).Scan(&was)
			if err == nil {
				n += was
			}
		}
	}()
	counts := map[string]int{}
	for i := 0; i < 100 || counts["unknown"] == 0 && i < 10_000; i++ {
		body := fmt.Sprint(i)
		r, ns := report{Slug: body}, make([]note, 200)
		for j := range ns {
			ns[j].Body = body
		}
		u := unit.New()
		unit.CreateMany(u, notes, ns, unit.Refer(noteReport, unit.Create(u, reports, &r)))
		var o txn.Options
		if i%2 == 0 {
			o.Key = body
		}
		_, err := u.Flush(t.Context(), l, o)
		var n int64 // the reader may be killed, too
		for l.QueryRow(t.Context(), "SELECT count(*) FROM notes WHERE body = $1", body).Scan(&n) != nil {
			counts["reads"]++
		}
		var lost *unit.CommittedError
		switch {
		case err == nil || errors.As(err, &lost):
			check.Equal(t, body+" written", n, 200)
			counts["written"]++
		case errors.Is(err, smrt.ErrCommitUnknown):
			counts["unknown"]++
			if o.Key != "" {
				t.Errorf("unknown with a key: %v", err)
			}
		default:
			check.Equal(t, fmt.Sprint(body, " failed: ", err), n, 0)
			counts["failed"]++
		}
	}
	close(stop)
	n := <-killed
	t.Logf("%d killed, %v", n, counts)
	if n == 0 || counts["unknown"] == 0 {
		t.Error("nobody was killed at work: nothing was proven")
	}
}
