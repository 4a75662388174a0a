package rowsecurity_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/handle/handletest"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/rowsecurity"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// TestBind refuses handles on which the tenant would get lost, and names that are none.
func TestBind(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	for name, c := range map[string]struct {
		pool    smrt.Pool
		setting string
	}{
		"nil":             {nil, setting},
		"a nil pool":      {(*pgxpool.Pool)(nil), setting},
		"limits":          {guard.On(l.app, guard.Limits{MaxLimit: 1}), setting},
		"bound already":   {l.bound(t), setting},
		"a router":        {handletest.New(l.app, l.app), setting},
		"no setting":      {l.app, ""},
		"a name of SQL's": {l.app, "role"},
		"a quote":         {l.app, "app.te'nant"},
		"a space":         {l.app, "app.tenant "},
		"an empty part":   {l.app, "app..tenant"},
	} {
		db, err := rowsecurity.Bind(c.pool, rowsecurity.Options{Setting: c.setting})
		if db != nil || !errors.Is(err, smrt.ErrBadOptions) {
			t.Errorf("%s: %v, %v", name, db, err)
		}
	}
	db := l.bound(t)
	for name, handle := range map[string]smrt.Pool{"bound": db, "limited": guard.On(db, guard.Limits{MaxLimit: 9})} {
		conn, err := handle.Acquire(of(t, 1))
		if conn != nil || !errors.Is(err, smrt.ErrBadOptions) {
			t.Errorf("%s: Acquire: %v, %v", name, conn, err)
		}
		_, err = repo.New(handle, books).LockMany(of(t, 1), []int64{2})
		check.Error(t, name+": a lock without a transaction", err, smrt.ErrBadQuery)
	}
}

// ways are ways to send something on a bound handle.
func ways(db *rowsecurity.DB) map[string]func(ctx context.Context) error {
	r := repo.New(db, books)
	one := func(_ context.Context, tx pgx.Tx) error { return nil }
	return map[string]func(ctx context.Context) error{
		"Get":    func(ctx context.Context) error { _, err := r.Get(ctx, 2); return err },
		"Find":   func(ctx context.Context) error { _, err := r.Find(ctx, query.All[book]()); return err },
		"Create": func(ctx context.Context) error { return r.Create(ctx, &book{TenantID: 1, Title: "new"}) },
		"Query": func(ctx context.Context) error {
			_, err := collect(db.Query(ctx, "SELECT tenant_id FROM books"))
			return err
		},
		"Query in a mode": func(ctx context.Context) error {
			_, err := collect(db.Query(ctx, "SELECT tenant_id FROM books", pgx.QueryExecModeExec))
			return err
		},
		"QueryRow":    func(ctx context.Context) error { return db.QueryRow(ctx, "SELECT 1").Scan(new(int)) },
		"Exec":        func(ctx context.Context) error { _, err := db.Exec(ctx, "SELECT 1"); return err },
		"Exec of two": func(ctx context.Context) error { _, err := db.Exec(ctx, "SELECT 1; SELECT 2"); return err },
		"SendBatch": func(ctx context.Context) error {
			b := &pgx.Batch{}
			b.Queue("SELECT 1")
			return db.SendBatch(ctx, b).Close()
		},
		"CopyFrom": func(ctx context.Context) error {
			_, err := db.CopyFrom(ctx, pgx.Identifier{"books"}, []string{"title"}, pgx.CopyFromRows(nil))
			return err
		},
		"BeginFunc":        func(ctx context.Context) error { return pgx.BeginFunc(ctx, db, func(pgx.Tx) error { return nil }) },
		"txn.Run":          func(ctx context.Context) error { return txn.Run(ctx, db, one) },
		"txn.Run, tracked": func(ctx context.Context) error { return txn.Run(ctx, db, one, txn.Options{TrackPosition: true}) },
		"Pipeline": func(ctx context.Context) error {
			return txn.Pipeline(ctx, db, func(ctx context.Context, db smrt.DB) error { _, err := db.Exec(ctx, "SELECT 1"); return err })
		},
		"unit": func(ctx context.Context) error {
			u := unit.New()
			unit.Patch(u, books, 2, bookMark.Set(1))
			_, err := u.Flush(ctx, db)
			return err
		},
		"snapshot": func(ctx context.Context) error { return preload.Snapshot(ctx, db, func(smrt.DB) error { return nil }) },
	}
}

// TestNoTenantOnABoundHandle returns an error in each way to send something, before
// anything is sent: without a tenant, with a zero one, for all, and as a role that
// policies do not hold.
func TestNoTenantOnABoundHandle(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	db := l.bound(t)
	check.NoError(t, db.Check(t.Context())) // asked once
	all := smrt.AllTenants(t.Context(), "a test")
	for name, way := range ways(db) {
		if name == "CopyFrom" {
			check.Error(t, name, way(of(t, 1)), smrt.ErrRowSecurity)
		} else {
			check.NoError(t, way(of(t, 1)))
		}
		l.sent.Reset()
		check.Error(t, name+" without a tenant", way(t.Context()), smrt.ErrNoTenant)
		check.Error(t, name+" with a zero tenant", way(smrt.WithTenant(t.Context(), "")), smrt.ErrNoTenant)
		check.Error(t, name+" for all", way(all), smrt.ErrRowSecurity)
		check.Equal(t, name+" has sent", strings.Join(l.sent.Statements(), "; "), "")
		super := bind(t, l.admin)
		check.Error(t, name+" as a superuser", ways(super)[name](of(t, 1)), smrt.ErrRowSecurity)
		check.Equal(t, name+" has sent as a superuser", strings.Join(l.sent.Statements(), "; "), "")
	}
}

// TestRolesAreChecked refuses a role for each reason for which policies do not hold it,
// says what to do, and goes on when that was done.
func TestRolesAreChecked(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	owner := "owner_" + l.role
	l.do(t, `CREATE ROLE "`+owner+`"`)
	t.Cleanup(func() { // before the role that is a member of it
		_, _ = l.admin.Exec(context.WithoutCancel(t.Context()), `REASSIGN OWNED BY "`+owner+`" TO current_user; DROP ROLE "`+owner+`"`)
	})
	for name, c := range map[string]struct{ do, undo, says string }{
		"superuser": {`ALTER ROLE "` + l.role + `" SUPERUSER`, `ALTER ROLE "` + l.role + `" NOSUPERUSER`, "is a superuser"},
		"bypass":    {`ALTER ROLE "` + l.role + `" BYPASSRLS`, `ALTER ROLE "` + l.role + `" NOBYPASSRLS`, "ALTER ROLE ... NOBYPASSRLS"},
		"member of the owner": {
			`ALTER TABLE books OWNER TO "` + owner + `"; ALTER TABLE books NO FORCE ROW LEVEL SECURITY; GRANT "` + owner + `" TO "` + l.role + `"`,
			`ALTER TABLE books FORCE ROW LEVEL SECURITY`, "such as books: ALTER TABLE ... FORCE",
		},
	} {
		db := l.bound(t)
		l.do(t, c.do)
		_, err := repo.New(db, books).Get(of(t, 1), 2)
		var refused *smrt.RowSecurityError
		if !errors.As(err, &refused) || refused.Role != l.role || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		check.Error(t, name, db.Check(t.Context()), smrt.ErrRowSecurity)
		l.do(t, c.undo)
		check.NoError(t, db.Check(t.Context()))
		check.Value(repo.New(db, books).Get(of(t, 1), 2))(t)
	}
	check.Error(t, "nil context", l.bound(t).Check(nil), smrt.ErrNilContext) //nolint:staticcheck // on purpose
}

// TestTransactionsOfATenantOnABoundHandle: what is sent in a transaction under the
// context of another tenant, of none, or of all is refused, in savepoints, batches that
// begin transactions and snapshots too. The transaction goes on.
func TestTransactionsOfATenantOnABoundHandle(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	db := l.bound(t)
	all := smrt.AllTenants(t.Context(), "a test")
	refuses := func(what string, tx smrt.DB) {
		t.Helper()
		for ctx, want := range map[context.Context]error{of(t, 2): smrt.ErrTenantMismatch, t.Context(): smrt.ErrNoTenant, all: smrt.ErrRowSecurity} {
			_, err := collect(tx.Query(ctx, "SELECT tenant_id FROM books"))
			check.Error(t, what+": Query", err, want)
			check.Error(t, what+": QueryRow", tx.QueryRow(ctx, "SELECT 1").Scan(new(int)), want)
			_, err = tx.Exec(ctx, "SELECT 1")
			check.Error(t, what+": Exec", err, want)
			b := &pgx.Batch{}
			b.Queue("SELECT 1")
			check.Error(t, what+": SendBatch", tx.SendBatch(ctx, b).Close(), want)
			_, err = tx.CopyFrom(ctx, pgx.Identifier{"books"}, nil, pgx.CopyFromRows(nil))
			check.Error(t, what+": CopyFrom", err, want)
			if tx, ok := tx.(pgx.Tx); ok {
				_, err = tx.Begin(ctx)
				check.Error(t, what+": Begin", err, want)
			}
		}
		seen := check.Value(collect(tx.Query(of(t, 1), "SELECT tenant_id FROM books")))(t)
		check.Same(t, what+": books", len(seen), 20)
	}
	for name, options := range map[string]pgx.TxOptions{
		"plain": {}, "serializable": {IsoLevel: pgx.Serializable, AccessMode: pgx.ReadOnly}, "own BEGIN": {BeginQuery: "begin; set local work_mem = '1MB'"},
	} {
		tx := check.Value(db.BeginTx(of(t, 1), options))(t)
		t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }) // of a test that has failed
		refuses(name, tx)
		inner := check.Value(tx.Begin(of(t, 1)))(t)
		refuses(name+", savepoint", inner)
		check.NoError(t, inner.Commit(of(t, 1)))
		check.NoError(t, tx.Commit(t.Context())) // which needs no tenant
	}
	b := &pgx.Batch{}
	b.BeginTx(pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	b.Queue("SELECT count(*) FROM books")
	results := db.SendBatch(of(t, 1), b)
	t.Cleanup(func() { _ = results.Tx().Rollback(context.WithoutCancel(t.Context())) })
	check.Value(results.Exec())(t)
	var n int
	check.NoError(t, results.QueryRow().Scan(&n))
	check.NoError(t, results.Close())
	check.Same(t, "books", n, 20)
	refuses("a batch", results.Tx())
	check.NoError(t, results.Tx().Rollback(t.Context()))
	_, err := db.BeginTx(of(t, 1), pgx.TxOptions{IsoLevel: "no level"})
	check.Same(t, "a level that is none", err != nil, true)
	check.NoError(t, preload.Snapshot(of(t, 1), db, func(snapshot smrt.DB) error {
		_, err := collect(snapshot.Query(of(t, 2), "SELECT tenant_id FROM books"))
		check.Error(t, "snapshot", err, smrt.ErrTenantMismatch)
		return nil
	}))
	check.NoError(t, txn.Run(of(t, 1), db, func(ctx context.Context, tx pgx.Tx) error {
		check.Error(t, "bypass", repo.New(l.app, books).Create(ctx, &book{}), smrt.ErrTxBypass)
		refuses("txn.Run", tx)
		return nil
	}))
}

// TestOneRoundTrip: the setting travels with the statement, and with BEGIN.
func TestOneRoundTrip(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	db := l.bound(t)
	set := "SELECT pg_catalog.set_config('app.tenant', $1, true)"
	check.NoError(t, db.Check(t.Context()))
	l.sent.Reset()
	check.Value(db.Exec(of(t, 1), "SELECT 1"))(t)
	check.Equal(t, "a statement", strings.Join(l.sent.Statements(), "; "), set+"; SELECT 1")
	l.sent.Reset()
	check.NoError(t, txn.Run(of(t, 1), db, func(context.Context, pgx.Tx) error { return nil }, txn.Options{Isolation: pgx.RepeatableRead, LockTimeout: 1e9}))
	check.Equal(t, "a transaction", strings.Join(l.sent.Statements(), "; "), "begin isolation level repeatable read; set local lock_timeout = 1000; "+set+"; commit")
	u := unit.New()
	unit.Patch(u, books, 2, bookMark.Set(1))
	planned := check.Value(u.Plan(of(t, 1), db))(t)
	check.Value(u.Flush(of(t, 1), db))(t)
	l.sent.Reset()
	u = unit.New()
	unit.Patch(u, books, 2, bookMark.Set(2))
	check.Value(u.Flush(of(t, 1), db))(t)
	sent := l.sent.Statements()
	check.Equal(t, "a unit", strings.Join([]string{sent[0], sent[1], sent[len(sent)-1]}, "; "), "begin; "+set+"; commit")
	check.Equal(t, "its plan", planned[0].SQL+"; "+planned[1].SQL, "begin; "+set)
}

// TestPolicyErrors gives what row security refuses a type.
func TestPolicyErrors(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	db := l.bound(t)
	ctx := of(t, 1)
	r := repo.New(db, books)
	taken := check.Value(repo.New(l.admin, books).First(t.Context(), query.Where(bookID.Eq(1))))(t) // of tenant 2
	byTitle := query.OnConflict(bookTitle).Update(bookMark)
	copied := [][]any{{int64(1), "x"}}
	for name, c := range map[string]struct {
		table string
		call  func() error
	}{
		"a row of another tenant": {"books", func() error { return r.Create(ctx, &book{TenantID: 2, Title: "y"}) }},
		"ON CONFLICT":             {"books", func() error { _, err := r.Upsert(ctx, &book{TenantID: 1, Title: taken.Title}, byTitle); return err }},
		"a unit": {"books", func() error {
			u := unit.New()
			unit.Create(u, books, &book{TenantID: 2, Title: "z"})
			_, err := u.Flush(ctx, db)
			return err
		}},
		"by hand": {"", func() error {
			_, err := db.Exec(ctx, "INSERT INTO books (tenant_id, title) VALUES (2, $1)", "w")
			return err
		}},
		"by hand, rows": {"", func() error {
			_, err := collect(db.Query(ctx, "UPDATE books SET tenant_id = 2 WHERE id = $1 RETURNING tenant_id", 2))
			return err
		}},
		"in a batch": {"", func() error {
			b := &pgx.Batch{}
			b.Queue("UPDATE books SET tenant_id = 2")
			return db.SendBatch(ctx, b).Close()
		}},
		"COPY": {"", func() error {
			_, err := db.CopyFrom(ctx, pgx.Identifier{"books"}, []string{"tenant_id", "title"}, pgx.CopyFromRows(copied))
			return err
		}},
		"not bound": {"books", func() error { return repo.New(l.app, books).Create(ctx, &book{TenantID: 1, Title: "v"}) }},
		"in txn.Run": {"", func() error {
			return txn.Run(ctx, db, func(ctx context.Context, tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE books SET tenant_id = 2")
				return err
			})
		}},
		"row_security": {"", func() error {
			return txn.Run(ctx, db, func(ctx context.Context, tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "SET LOCAL row_security = off")
				check.NoError(t, err)
				_, err = tx.Exec(ctx, "DELETE FROM books")
				return err
			})
		}},
		"no such tenant": {"", func() error {
			_, err := db.Exec(smrt.WithTenant(ctx, int64(7)), "INSERT INTO books (tenant_id, title) VALUES (1, $1)", "u")
			return err
		}},
	} {
		err := c.call()
		var refused *smrt.RowSecurityError
		if !errors.Is(err, smrt.ErrRowSecurity) || !errors.As(err, &refused) || refused.Err == nil || refused.Table != c.table {
			t.Errorf("%s: %v, %+v", name, err, refused)
		}
	}
	_, err := db.Exec(ctx, "DROP TABLE books")
	check.Same(t, "another error is none of row security", err != nil && !errors.Is(err, smrt.ErrRowSecurity), true)
	many := make([]page, 12_000)
	for i := range many {
		many[i] = page{TenantID: 1, BookID: 2}
	}
	check.NoError(t, repo.New(db, pages).CreateMany(ctx, many)) // which takes INSERT
}

// TestConnectionsComeBack reads a part of results, or meets errors, on a pool of one
// connection.
func TestConnectionsComeBack(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, testdb.MaxConns(1))
	db := l.bound(t)
	ctx := of(t, 1)
	for _, mode := range [][]any{nil, {pgx.QueryExecModeExec}} {
		query := func(sql string) (pgx.Rows, error) {
			return db.Query(ctx, sql, append(mode[:len(mode):len(mode)], 0)...)
		}
		rows := check.Value(query("SELECT id FROM books WHERE id > $1"))(t)
		check.Same(t, "a row", rows.Next(), true)
		rows.Close()
		rows.Close()
		check.NoError(t, rows.Err())
		rows = check.Value(query("SELECT title FROM books WHERE id > $1"))(t)
		rows.Next()
		check.Same(t, "a text is no number", rows.Scan(new(int)) != nil, true)
		rows, err := query("SELECT 1/$1::int")
		for err == nil && rows.Next() {
		}
		if err == nil {
			err = rows.Err()
		}
		check.Same(t, "an error of the server", err != nil && !rows.Next(), true)
		_, err = collect(query("SELECT no FROM books WHERE id > $1"))
		check.Same(t, "an error of planning", err != nil, true)
		rows = check.Value(query("SELECT id FROM books WHERE id > $1"))(t)
		for rows.Next() {
			check.Value(rows.Values())(t)
		}
		check.NoError(t, rows.Err())
	}
	check.Same(t, "a value that cannot be sent", db.QueryRow(ctx, "SELECT $1::int", make(chan int)).Scan(new(int)) != nil, true)
	_, err := db.Exec(ctx, "SELECT 1/0; SELECT 2")
	check.Same(t, "an error in several", err != nil, true)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = db.Exec(canceled, "SELECT 1")
	check.Error(t, "canceled", err, context.Canceled)
	_, err = db.CopyFrom(ctx, pgx.Identifier{"books"}, []string{"title"}, pgx.CopyFromFunc(func() ([]any, error) { return nil, smrt.ErrReadOnly }))
	check.Same(t, "an error of a source", err != nil, true)
	check.NoError(t, db.SendBatch(ctx, &pgx.Batch{}).Close())
	check.Value(repo.New(db, books).Get(ctx, 2))(t)
	check.Same(t, "connections that are lent", l.app.Stat().AcquiredConns(), int32(0))
}

// TestBehindPgBouncer: the setting is of the transaction, so a pooler that lends a
// session for each mixes up no tenants.
func TestBehindPgBouncer(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	database := l.admin.Config().ConnConfig.Database
	bouncer := testdb.StartPgBouncer(t, testdb.PgBouncerConfig{PoolSize: 2, Settings: map[string]string{"server_round_robin": "1"}})
	l.do(t, `ALTER DATABASE "`+database+`" SET role = "`+l.role+`"`)
	t.Cleanup(func() { l.do(t, `SET ROLE NONE; ALTER DATABASE "`+database+`" RESET role`) })
	cfg := check.Value(pgxpool.ParseConfig(bouncer.DSN(database)))(t)
	cfg.ConnConfig.DefaultQueryExecMode, cfg.MaxConns = pgx.QueryExecModeExec, 6
	l.app = check.Value(pgxpool.NewWithConfig(t.Context(), cfg))(t)
	defer l.app.Close()
	check.Same(t, "rows of another tenant", l.foreign(t, 400), 0)

	// Nor is the time of a call that of another.
	limited := guard.On(l.bound(t), guard.Limits{Timeout: time.Hour})
	timeout := func(db smrt.DB) (s string) {
		check.NoError(t, db.QueryRow(of(t, 1), "SELECT current_setting('statement_timeout')").Scan(&s))
		return s
	}
	before := timeout(l.app)
	for range 6 { // on both sessions of the pooler
		check.Same(t, "with a limit", timeout(limited) != before, true)
		check.Same(t, "without", timeout(l.app), before)
	}
}

type name string

// TestTenantsAsText tells the server tenants of every kind.
func TestTenantsAsText(t *testing.T) {
	t.Parallel()
	db := newLibrary(t).bound(t)
	uuid := [16]byte{0xab, 15: 1}
	for want, ctx := range map[string]context.Context{
		"12":                                   smrt.WithTenant(t.Context(), int64(12)),
		"-3":                                   smrt.WithTenant(t.Context(), int8(-3)),
		"4":                                    smrt.WithTenant(t.Context(), uint(4)),
		"a'b":                                  smrt.WithTenant(t.Context(), "a'b"),
		"acme":                                 smrt.WithTenant(t.Context(), name("acme")),
		"ab000000-0000-0000-0000-000000000001": smrt.WithTenant(t.Context(), uuid),
		"AB000000-0000-0000-0000-000000000001": smrt.WithTenant(t.Context(), "AB000000-0000-0000-0000-000000000001"),
		"99":                                   smrt.WithTenant(t.Context(), pgtype.Int8{Int64: 99, Valid: true}),
	} {
		var got string
		check.NoError(t, db.QueryRow(ctx, "SELECT current_setting($1)", setting).Scan(&got))
		check.Equal(t, "tenant", got, want)
	}
	var got string
	check.NoError(t, db.QueryRow(smrt.WithTenant(t.Context(), pgtype.UUID{Bytes: uuid, Valid: true}), "SELECT current_setting($1)", setting).Scan(&got))
	check.Equal(t, "tenant", got, "ab000000-0000-0000-0000-000000000001")
	check.NoError(t, db.QueryRow(smrt.WithTenant(t.Context(), other(uuid)), "SELECT current_setting($1)", setting).Scan(&got))
	check.Equal(t, "a type of the program", got, "ab000000-0000-0000-0000-000000000001")
	for _, ctx := range []context.Context{smrt.WithTenant(t.Context(), struct{ n int }{1}), smrt.WithTenant(t.Context(), 1.5)} {
		_, err := db.Exec(ctx, "SELECT 1")
		check.Error(t, "a struct, or a float", err, smrt.ErrBadOptions)
	}
}
