package smrt_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
)

// onEach runs a test on each kind of handle that pgx has: what [smrt.DB] says of
// its methods is a promise of pgx, and a new version of it could break that.
func onEach(t *testing.T, test func(t *testing.T, db smrt.DB)) {
	t.Helper()
	t.Run("pool", func(t *testing.T) {
		t.Parallel()
		test(t, testdb.Pool(t, shop.Schema))
	})
	t.Run("connection of a pool", func(t *testing.T) {
		t.Parallel()
		conn := check.Value(testdb.Pool(t, shop.Schema).Acquire(t.Context()))(t)
		defer conn.Release()
		test(t, conn)
	})
	t.Run("connection", func(t *testing.T) {
		t.Parallel()
		conn := check.Value(testdb.Pool(t, shop.Schema).Acquire(t.Context()))(t)
		defer conn.Release()
		test(t, conn.Conn())
	})
	t.Run("transaction", func(t *testing.T) {
		t.Parallel()
		tx := check.Value(testdb.Pool(t, shop.Schema).Begin(t.Context()))(t)
		defer tx.Rollback(context.Background()) //nolint:errcheck // nothing is kept
		test(t, tx)
	})
}

const addCustomer = "INSERT INTO customers (email, name, country) VALUES ($1, $1, 'NL')"

// count returns how many customers there are.
func count(t *testing.T, db smrt.DB) (n int) {
	t.Helper()
	check.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM customers").Scan(&n))
	return n
}

// TestDB proves what is promised of the methods of a DB.
func TestDB(t *testing.T) {
	onEach(t, func(t *testing.T, db smrt.DB) {
		ctx := t.Context()
		tag := check.Value(db.Exec(ctx, addCustomer, "ann@example.com"))(t)
		check.Same(t, "rows affected", tag.RowsAffected(), 1)

		rows := check.Value(db.Query(ctx, "SELECT email FROM customers"))(t)
		emails := check.Value(pgx.CollectRows(rows, pgx.RowTo[string]))(t)
		check.Equal(t, "rows", emails, []string{"ann@example.com"})

		row := db.QueryRow(ctx, "SELECT email FROM customers WHERE email = 'nobody'")
		var email string
		check.Error(t, "no row", row.Scan(&email), pgx.ErrNoRows)

		n := check.Value(db.CopyFrom(ctx, pgx.Identifier{"customers"}, []string{"email", "name", "country"}, pgx.CopyFromRows([][]any{
			{"bob@example.com", "Bob", "NL"}, {"cem@example.com", "Cem", "BE"},
		})))(t)
		check.Same(t, "rows copied", n, 2)
		check.Same(t, "customers", count(t, db), 3)
	})
}

// TestBatchIsAllOrNothing proves that the statements of a batch take effect
// together where there is no transaction around them, and not one by one. In a
// transaction, that is what fails.
func TestBatchIsAllOrNothing(t *testing.T) {
	onEach(t, func(t *testing.T, db smrt.DB) {
		b := &pgx.Batch{}
		b.Queue(addCustomer, "ann@example.com")
		b.Queue("SELECT 1 / 0")
		if err := db.SendBatch(t.Context(), b).Close(); err == nil {
			t.Fatal("the batch did not fail")
		}
		if _, ok := db.(pgx.Tx); ok {
			if err := db.QueryRow(t.Context(), "SELECT 1").Scan(new(int)); err == nil {
				t.Error("the transaction goes on")
			}
			return
		}
		check.Same(t, "customers", count(t, db), 0)
	})
}

// TestErrorsOfARowAreDeferred proves that a statement that is wrong is not
// noticed before its row is scanned.
func TestErrorsOfARowAreDeferred(t *testing.T) {
	onEach(t, func(t *testing.T, db smrt.DB) {
		row := db.QueryRow(t.Context(), "SELECT missing FROM customers")
		if row == nil {
			t.Fatal("no row")
		}
		err := row.Scan(new(int))
		if err == nil || errors.Is(err, pgx.ErrNoRows) {
			t.Errorf("got %v", err)
		}
	})
}
