package guard_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/seed"
	"github.com/smrt-go/smrt/internal/testdb"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

func dsn() string { return testdb.ExampleDSN(shop.Schema) }

// filledShop is the shop with customers, orders and their lines.
var filledShop = testdb.Schema{Name: "shop with rows", Apply: func(ctx context.Context, dsn string) error {
	if err := shop.Schema.Apply(ctx, dsn); err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = seed.Load(ctx, pool, seed.Size{Customers: 40, Products: 60, Orders: 400})
	return err
}}

// newShop returns a filled shop whose statements are counted.
func newShop(t testing.TB) (*pgxpool.Pool, *testdb.Counter) {
	var sent *testdb.Counter
	pool := testdb.Pool(t, filledShop, testdb.Configure(func(cfg *pgxpool.Config) {
		sent = testdb.CountStatements(cfg)
		// A connection whose statement is cancelled stays open, as on a pool of package pool.
		cfg.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
			return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: time.Minute}
		}
	}))
	return pool, sent
}

// quiet is where tests log to that do not look at it.
var quiet = slog.New(slog.DiscardHandler)

// log collects events.
type log []guard.Event

func (l *log) add(_ context.Context, e guard.Event) { *l = append(*l, e) }
