package shop_test

import (
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/shop"

	"github.com/smrt-go/smrt/smrttest"
)

func TestMain(m *testing.M) { smrttest.Main(m) }

var schema = smrttest.SQLFiles(os.DirFS("migrations"), "*.sql")

func TestPlace(t *testing.T) {
	t.Parallel()
	var sent smrttest.Counter
	orders := shop.NewService(smrttest.Pool(t, schema, smrttest.Count(&sent)))

	order, err := orders.Place(t.Context(), "Ada", 49_90)
	if err != nil || order.ID == 0 {
		t.Fatal(order, err)
	}
	if sent.Len() != 1 {
		t.Error("more than one statement:", sent.Statements())
	}
}

func TestOfASlowNetwork(t *testing.T) {
	t.Parallel()
	var network smrttest.Link
	orders := shop.NewService(smrttest.Pool(t, schema, smrttest.Over(&network)))
	network.Delay(time.Millisecond)

	if _, err := orders.Place(t.Context(), "Ada", 49_90); err != nil {
		t.Fatal(err)
	}
	if of, err := orders.Of(t.Context(), "Ada"); err != nil || len(of) != 1 {
		t.Error(of, err)
	}
}

func TestOwnPool(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), smrttest.DSN(t, schema))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if of, err := shop.NewService(pool).Of(t.Context(), "Ada"); err != nil || len(of) != 0 {
		t.Error(of, err)
	}
}
