package repo_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Keys that are equal to the server though not byte by byte: another spelling,
// or blanks at the end. The extension citext may be missing.
const spellingsSQL = `
CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE folds (code text COLLATE folded PRIMARY KEY, uses integer NOT NULL);
CREATE TABLE pads (code char(5) PRIMARY KEY, uses integer NOT NULL);
CREATE TABLE nicks (code citext PRIMARY KEY, uses integer NOT NULL);
INSERT INTO folds VALUES ('Abc', 1), ('b', 2), ('C', 3);
INSERT INTO pads VALUES ('Abc', 1), ('b', 2), ('C', 3);
INSERT INTO nicks VALUES ('C', 3), ('b', 2), ('Abc', 1);`

// spellings are keys of each table of which the rows are 3, 1, none, 1 and 2.
var spellings = map[string][]string{
	"folds": {"c", "aBC", "x", "ABC", "B"},
	"pads":  {"C ", "Abc", "abc", "Abc   ", "b    "},
	"nicks": {"c", "aBC", "x", "ABC", "B"},
}

func newSpellings(t *testing.T, opts ...testdb.Option) *archive {
	t.Helper()
	a := newArchive(t, opts...)
	if _, err := a.pool.Exec(t.Context(), "CREATE EXTENSION citext"); err != nil {
		t.Skip("this PostgreSQL comes without citext: ", err)
	}
	if _, err := a.pool.Exec(t.Context(), spellingsSQL, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Skip("this PostgreSQL has no ICU: ", err)
	}
	return a
}

// usesOf are the uses of vouchers, "-" where there is none.
func usesOf(vs []*voucher) string {
	text := ""
	for _, v := range vs {
		if v == nil {
			text += "-"
		} else {
			text += fmt.Sprint(v.Uses)
		}
	}
	return text
}

// TestKeysAreEqualIfTheServerSaysSo reads rows by other spellings of their keys
// in every way there is.
func TestKeysAreEqualIfTheServerSaysSo(t *testing.T) {
	a := newSpellings(t)
	ctx := t.Context()
	for table, keys := range spellings {
		t.Run(table, func(t *testing.T) {
			of := query.NewTable(table, func(v *voucher) *string { return &v.Code })
			codes := repo.New(a.pool, of)
			const want = "31-12"
			check.Same(t, "on the pool", usesOf(check.Value(codes.GetMany(ctx, keys))(t)), want)
			check.Same(t, "without batching", usesOf(check.Value(repo.New(a.pool, of, repo.Options{Batching: repo.Batching{Off: true}}).GetMany(ctx, keys))(t)), want)
			check.NoError(t, pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
				check.Same(t, "in a transaction", usesOf(check.Value(codes.With(tx).GetMany(ctx, keys))(t)), want)
				check.Same(t, "locked", usesOf(check.Value(codes.With(tx).LockMany(ctx, keys))(t)), want)
				return nil
			}))
			vs := check.Value(codes.GetMany(ctx, []string{"b", "b", "none"}))(t)
			check.Same(t, "a key given twice", vs[0] != nil && vs[0] == vs[1] && vs[2] == nil, true)
		})
	}
}

// TestRowsWithTextKeysAreLockedInOrder watches rows being locked one after the
// other: the last in the order of keys is held by another transaction, so that
// those before it are locked and those behind it are not.
func TestRowsWithTextKeysAreLockedInOrder(t *testing.T) {
	a := newSpellings(t, testdb.MaxConns(4))
	ctx := t.Context()
	nicks := repo.New(a.pool, query.NewTable("nicks", func(v *voucher) *string { return &v.Code }))
	holder := check.Value(a.pool.Begin(ctx))(t)
	defer holder.Rollback(context.Background())
	check.Value(nicks.With(holder).LockMany(ctx, []string{"B"}))(t)
	var waiter sync.WaitGroup
	waiter.Go(func() {
		err := pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
			vs, err := nicks.With(tx).LockMany(ctx, []string{"C", "b", "ABC"})
			check.Same(t, "locked", usesOf(vs), "321")
			return err
		})
		check.Same(t, "error", err, nil)
	})
	free := func(code string) bool {
		tag, err := a.pool.Exec(ctx, "SELECT FROM nicks WHERE code = $1 FOR UPDATE SKIP LOCKED", code)
		check.NoError(t, err)
		return tag.RowsAffected() == 1
	}
	for deadline := time.Now().Add(testdb.Patience(10 * time.Second)); free("abc"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the first row is never locked")
		}
	}
	check.Same(t, "the row behind the one that is held is free", free("c"), true)
	check.NoError(t, holder.Commit(ctx))
	waiter.Wait()
}

// TestKeysThatOnlyTheServerCompares are of types of which Go's idea of equal is
// another: an instant in another zone, or finer than a microsecond, and a number
// with zeros at its end.
func TestKeysThatOnlyTheServerCompares(t *testing.T) {
	type (
		moment struct {
			At   time.Time
			Name string
		}
		amountKey struct {
			Code string
			N    pgtype.Numeric
		}
		amount struct {
			Code string
			N    pgtype.Numeric
			Name string
		}
	)
	a := newArchive(t)
	ctx := t.Context()
	for _, sql := range []string{
		"CREATE TABLE moments (at timestamptz PRIMARY KEY, name text NOT NULL)",
		"CREATE TABLE amounts (code text, n numeric, name text NOT NULL, PRIMARY KEY (code, n))",
		"INSERT INTO moments VALUES ('2026-01-02 03:04:05.000006Z', 'one')",
		"INSERT INTO amounts VALUES ('a', 1.50, 'one')",
	} {
		_, err := a.pool.Exec(ctx, sql)
		check.NoError(t, err)
	}
	at := time.Date(2026, 1, 2, 4, 4, 5, 6000, time.FixedZone("", 3600))
	var n pgtype.Numeric
	check.NoError(t, n.Scan("1.5"))
	moments := repo.New(a.pool, query.NewTable("moments", func(m *moment) *time.Time { return &m.At }))
	amounts := repo.New(a.pool, query.NewCompositeTable("amounts", query.Key[amount, amountKey]{
		query.Part(func(v *amount) *string { return &v.Code }, func(k *amountKey) *string { return &k.Code }),
		query.Part(func(v *amount) *pgtype.Numeric { return &v.N }, func(k *amountKey) *pgtype.Numeric { return &k.N }),
	}))
	for name, on := range map[string]func(read func(db smrt.DB) error) error{
		"pool": func(read func(db smrt.DB) error) error { return read(a.pool) },
		"transaction": func(read func(db smrt.DB) error) error {
			return pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error { return read(tx) })
		},
	} {
		check.NoError(t, on(func(db smrt.DB) error {
			ms := check.Value(moments.With(db).GetMany(ctx, []time.Time{at, at.Add(time.Second)}))(t)
			check.Same(t, name+": moment", ms[0] != nil && ms[0].Name == "one" && ms[1] == nil, true)
			as := check.Value(amounts.With(db).GetMany(ctx, []amountKey{{"a", n}, {"b", n}}))(t)
			check.Same(t, name+": amount", as[0] != nil && as[0].Name == "one" && as[1] == nil, true)
			return nil
		}))
	}
}
