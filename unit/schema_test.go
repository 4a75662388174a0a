package unit_test

import (
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// TestCatalogOnce proves that foreign keys and types are looked up once, and
// again when an error says that they have changed.
func TestCatalogOnce(t *testing.T) {
	l := newLeague(t)
	exec(t, l, "CREATE TABLE plants (id bigint PRIMARY KEY); CREATE TABLE leaves (id bigint PRIMARY KEY, plant bigint NOT NULL)")
	type (
		plant struct{ ID int64 }
		leaf  struct{ ID, Plant int64 }
	)
	plants := query.NewTable("plants", func(p *plant) *int64 { return &p.ID })
	leaves := query.NewTable("leaves", func(l *leaf) *int64 { return &l.ID })
	grow := func(id int64) error {
		u := unit.New()
		unit.Create(u, leaves, &leaf{id, id})
		unit.Create(u, plants, &plant{id})
		_, err := u.Flush(t.Context(), l)
		return err
	}
	check.NoError(t, grow(1))
	l.sent.Reset()
	check.NoError(t, grow(2))
	check.Equal(t, "catalog is known", shapes(l.sent.Statements()), "begin, insert leaves, insert plants, commit")
	exec(t, l, "ALTER TABLE leaves ADD FOREIGN KEY (plant) REFERENCES plants")
	l.sent.Reset()
	check.NoError(t, grow(3))
	if s := shapes(l.sent.Statements()); !strings.HasSuffix(s, "begin, insert plants, insert leaves, commit") {
		t.Error(s)
	}
	check.Equal(t, "leaves", text(t, l, "id::text", "leaves"), "1 2 3")

	u := unit.New()
	unit.Create(u, leaves, &leaf{4, 99})
	unit.Create(u, plants, &plant{4})
	l.sent.Reset()
	_, err := u.Flush(t.Context(), l)
	check.Error(t, "missing plant", err, smrt.ErrForeignKey)
	if n := strings.Count(shapes(l.sent.Statements()), "begin"); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

// TestForeignKeysInASnapshot proves that foreign keys are found by one snapshot,
// also of tables that others took the names of after the transaction began.
func TestForeignKeysInASnapshot(t *testing.T) {
	db, ctx := testdb.Pool(t, testdb.Empty, testdb.MaxConns(2)), t.Context()
	type (
		plant struct{ ID int64 }
		leaf  struct{ ID, Plant int64 }
	)
	plants := query.NewTable("plants", func(p *plant) *int64 { return &p.ID })
	leaves := query.NewTable("leaves", func(l *leaf) *int64 { return &l.ID })
	const tables = "CREATE TABLE plants (id bigint PRIMARY KEY); CREATE TABLE leaves (id bigint PRIMARY KEY, plant bigint NOT NULL REFERENCES plants)"
	check.Value(db.Exec(ctx, tables))(t)
	tx := check.Value(db.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}))(t)
	defer func() { _ = tx.Rollback(ctx) }()
	check.Value(tx.Exec(ctx, "SELECT 1"))(t) // takes the snapshot
	check.Value(db.Exec(ctx, "DROP TABLE leaves, plants; "+tables))(t)
	u := unit.New()
	unit.Create(u, leaves, &leaf{1, 1})
	unit.Create(u, plants, &plant{1})
	check.Value(u.Flush(ctx, tx))(t)
	check.NoError(t, tx.Commit(ctx))
}

// TestPlan proves that a dry run returns what a flush sends, and sends none of
// it.
func TestPlan(t *testing.T) {
	l := newLeague(t)
	rs := stored(t, l, "a", "b", "c")
	u := unit.New()
	everything(u, rs)
	o := txn.Options{Isolation: pgx.Serializable}
	statements, err := u.Plan(t.Context(), l, o)
	check.NoError(t, err)
	var sql []string
	rows := ""
	for _, s := range statements {
		sql = append(sql, s.SQL)
		if s.Rows > 0 {
			rows += strings.Join([]string{s.Op, s.Table, string(rune('0' + s.Rows))}, " ") + ", "
		}
	}
	check.Equal(t, "rows", rows, "create reports 1, create notes 2, update reports 1, patch reports 1, delete reports 1, ")
	check.Equal(t, "reports", one[int64](t, l, "SELECT count(*) FROM reports WHERE version = 1"), 3)
	check.Equal(t, "left", u.Len(), 6)
	check.Equal(t, "version", rs[0].Version, 1)
	l.sent.Reset()
	_, err = u.Flush(t.Context(), l, o)
	check.NoError(t, err)
	check.Equal(t, "sent", l.sent.Statements(), sql)
	left, err := u.Plan(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "nothing left", len(left), 0)

	tx, err := l.Begin(t.Context())
	check.NoError(t, err)
	defer tx.Rollback(t.Context())
	unit.Create(u, events, &event{Message: "x"})
	inside, err := u.Plan(t.Context(), tx)
	check.NoError(t, err)
	check.Equal(t, "joined", len(inside), 1)
	unit.Create(u, events, &event{Message: "y"}) // one of several rows can be searched
	inside, err = u.Plan(t.Context(), tx)
	check.NoError(t, err)
	l.sent.Reset()
	_, err = u.Flush(t.Context(), tx)
	check.NoError(t, err)
	sql = nil
	for _, s := range inside {
		sql = append(sql, s.SQL)
	}
	check.Equal(t, "sent", l.sent.Statements(), sql)
	check.Equal(t, "joined", len(sql), 3)
}

// TestPatchesMerge proves that patches of the same columns are one statement,
// that patches of one row stay in order, and that whatever an array cannot carry
// has a statement of its own.
func TestPatchesMerge(t *testing.T) {
	l := newLeague(t)
	rs := stored(t, l, "a", "b", "c")
	u := unit.New()
	for i := range rs {
		unit.Patch(u, reports, rs[i].ID, reportRank.Set(int32(10*i)), reportNote.Set("n"))
	}
	unit.Patch(u, reports, rs[1].ID, query.Add(reportRank, 1), reportNote.SetNull())
	unit.Patch(u, reports, rs[1].ID, reportRank.SetExpr("rank * $1", 2))
	unit.Patch(u, reports, rs[1].ID, query.Add(reportRank, 3))
	l.sent.Reset()
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "statements", len(l.sent.Statements()), 7) // with BEGIN, COMMIT and the one that looks for rows that were missed
	check.Equal(t, "reports", text(t, l, "slug || rank || coalesce(note, '-') || version", "reports"), "a0n2 b25-5 c20n2")
}

// TestLayout guards the places where values without type parameters are given
// their types: both are the same words in memory.
func TestLayout(t *testing.T) {
	if unsafe.Sizeof(unit.Key[int64]{}) != unsafe.Sizeof(uintptr(0)) || unsafe.Sizeof(unit.Key[tileKey]{}) != unsafe.Sizeof(uintptr(0)) {
		t.Error("a Key is not one pointer")
	}
	if got := reflect.TypeFor[unit.Key[int64]]().Field(0).Type.Kind(); got != reflect.Pointer {
		t.Errorf("a Key holds a %s", got)
	}
	a, b := reflect.TypeFor[unit.Reference[report]](), reflect.TypeFor[unit.Reference[tile]]()
	if a.NumField() != 1 || a.Field(0).Type != b.Field(0).Type {
		t.Error("a Reference holds more than what all hold")
	}
	if reflect.TypeFor[query.Assignment[report]]().Size() != reflect.TypeFor[plan.Set]().Size() {
		t.Error("an Assignment is not a Set")
	}
}
