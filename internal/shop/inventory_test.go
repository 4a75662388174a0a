package shop_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/internal/testdb"
)

func TestReserveStock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	product := f.product("Kettle")
	small, large, closed := f.warehouse("HAM1"), f.warehouse("POZ1"), f.warehouse("VIE1")
	f.exec(`UPDATE warehouses SET active = false WHERE id = $1`, closed)
	f.stock(small, product, 5, 0, 0)
	f.stock(large, product, 9, 2, 0)
	f.stock(closed, product, 100, 0, 0)
	f.stock(small, f.product("Pan"), 50, 0, 0)

	// Takes from where most is left: 7 of the large one against 5, then 5 against 3.
	for i, want := range []struct {
		warehouse int64
		reserved  int32
	}{{large, 6}, {small, 4}, {large, 9}} {
		quantity := []int32{4, 4, 3}[i]
		got, err := f.ReserveStock(t.Context(), shopdb.ReserveStockParams{ProductID: product, Quantity: quantity})
		if err != nil {
			t.Fatal(err)
		}
		if got.WarehouseID != want.warehouse || got.Reserved != want.reserved || got.ProductID != product {
			t.Errorf("reservation %d: %+v, want %+v", i, got, want)
		}
	}
	// One is left in the small warehouse.
	_, err := f.ReserveStock(t.Context(), shopdb.ReserveStockParams{ProductID: product, Quantity: 2})
	if !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("a reservation of more than there is: %v, want no rows", err)
	}
}

// What another transaction has locked is passed over, not waited for.
func TestReserveStockSkipsWhatIsLocked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	product := f.product("Kettle")
	most, less := f.warehouse("HAM1"), f.warehouse("POZ1")
	f.stock(most, product, 100, 0, 0)
	f.stock(less, product, 10, 0, 0)
	want := shopdb.ReserveStockParams{ProductID: product, Quantity: 1}

	first := must(f.db.Begin(t.Context()))(t)
	defer func() { _ = first.Rollback(t.Context()) }()
	got := must(f.WithTx(first).ReserveStock(t.Context(), want))(t)
	if got.WarehouseID != most {
		t.Errorf("the first took from %d, want %d", got.WarehouseID, most)
	}

	second := must(f.db.Begin(t.Context()))(t)
	defer func() { _ = second.Rollback(t.Context()) }()
	start := time.Now()
	got = must(f.WithTx(second).ReserveStock(t.Context(), want))(t)
	if got.WarehouseID != less {
		t.Errorf("the second took from %d, want %d", got.WarehouseID, less)
	}
	if _, err := f.ReserveStock(t.Context(), want); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("the third, with both locked: %v, want no rows", err)
	}
	if waited := time.Since(start); waited > testdb.Patience(5*time.Second) {
		t.Errorf("the second and third waited %v", waited)
	}
}

func TestReserveStockNeverPromisesTwice(t *testing.T) {
	t.Parallel()
	const buyers = 8
	f := newFixture(t, testdb.MaxConns(buyers))
	product := f.product("Kettle")
	for _, code := range []string{"HAM1", "POZ1", "LYS1"} {
		f.stock(f.warehouse(code), product, 20, 0, 0)
	}
	var reserved atomic.Int32
	group, ctx := errgroup.WithContext(t.Context())
	for range buyers {
		group.Go(func() error {
			for range 15 { // 120 attempts at 60 pieces
				_, err := f.ReserveStock(ctx, shopdb.ReserveStockParams{ProductID: product, Quantity: 1})
				switch {
				case err == nil:
					reserved.Add(1)
				case !errors.Is(err, pgx.ErrNoRows):
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if sum := one[int32](f, `SELECT sum(reserved)::integer FROM inventory`); sum != reserved.Load() || sum > 60 {
		t.Errorf("%d pieces were promised, %d are marked as reserved, 60 are there", reserved.Load(), sum)
	}
}

func TestLowInventory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	kettle, pan, gone := f.product("Kettle"), f.product("Pan"), f.product("Gone")
	f.remove(gone)
	ham, poz, closed := f.warehouse("HAM1"), f.warehouse("POZ1"), f.warehouse("VIE1")
	f.exec(`UPDATE warehouses SET active = false WHERE id = $1`, closed)
	f.stock(ham, kettle, 10, 7, 3) // exactly at the threshold
	f.stock(poz, kettle, 50, 8, 5)
	f.stock(closed, kettle, 4, 0, 9)
	f.stock(ham, pan, 1, 1, 5)
	f.stock(poz, gone, 0, 0, 5)

	rows := must(f.LowInventory(t.Context(), 10))(t)
	equal(t, "low", rows, []shopdb.LowInventoryRow{
		{Warehouse: "HAM1", ProductID: pan, SKU: "SKU-1", Name: "Pan", Available: 0, ReorderAt: 5, Elsewhere: 0},
		{Warehouse: "HAM1", ProductID: kettle, SKU: "SKU-0", Name: "Kettle", Available: 3, ReorderAt: 3, Elsewhere: 46},
	})
	equal(t, "the first", must(f.LowInventory(t.Context(), 1))(t), rows[:1])
}
