package txn_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// The bank is a small schema: accounts, what was transferred between them, and
// the markers of transactions with a key.
const bankSQL = `
CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL, kind text NOT NULL DEFAULT 'checking') WITH (fillfactor = 50);
CREATE TABLE ledger (
	key text NOT NULL, source bigint NOT NULL, target bigint NOT NULL, amount bigint NOT NULL);
CREATE TABLE names (name text PRIMARY KEY);
INSERT INTO accounts SELECT i, 1000 FROM generate_series(1, 50) AS i;
` + txn.MarkersSQL

var bankSchema = testdb.SQL("bank", bankSQL)

// bank is a fresh bank with what was sent to it, and the link to it.
type bank struct {
	*pgxpool.Pool
	sent *testdb.Counter
	link *testdb.Link
}

func newBank(tb testing.TB, opts ...testdb.Option) *bank {
	tb.Helper()
	b := &bank{}
	opts = append(opts, testdb.Configure(func(cfg *pgxpool.Config) {
		b.sent = testdb.CountStatements(cfg)
		b.link = testdb.LinkConnections(cfg)
		cfg.ConnConfig.OnNotice = txn.WatchCommits(cfg.ConnConfig.OnNotice)
	}))
	b.Pool = testdb.Pool(tb, bankSchema, opts...)
	return b
}

// add is a closure that adds to a balance.
func add(id, amount int64) txn.Func {
	return func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE accounts SET balance = balance + $2 WHERE id = $1", id, amount)
		return err
	}
}

// name is a statement that inserts a name.
func name(ctx context.Context, db smrt.DB, name string) error {
	_, err := db.Exec(ctx, "INSERT INTO names VALUES ($1)", name)
	return err
}

// names are all names, in order.
func (b *bank) names(tb testing.TB) string {
	tb.Helper()
	return one[string](tb, b.Pool, "SELECT coalesce(string_agg(name, ' ' ORDER BY name), '') FROM names")
}

func (b *bank) balance(tb testing.TB, id int64) int64 {
	tb.Helper()
	return one[int64](tb, b.Pool, "SELECT balance FROM accounts WHERE id = $1", id)
}

// free fails the test if a connection of the bank stays in use. A pool destroys
// connections in the background.
func free(tb testing.TB, b *bank) {
	tb.Helper()
	deadline := time.Now().Add(testdb.Patience(time.Second))
	for b.Stat().AcquiredConns() > 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	check.Same(tb, "connections in use", b.Stat().AcquiredConns(), 0)
}

// one is the only value of a query.
func one[V any](tb testing.TB, db smrt.DB, sql string, args ...any) V {
	tb.Helper()
	var v V
	check.NoError(tb, db.QueryRow(context.Background(), sql, args...).Scan(&v))
	return v
}

// nothing is a closure that does nothing.
func nothing(context.Context, pgx.Tx) error { return nil }

var errOwn = errors.New("own error of the closure")

func execMode(mode pgx.QueryExecMode) testdb.Option { return testdb.ExecMode(mode) }
