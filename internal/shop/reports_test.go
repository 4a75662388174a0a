package shop_test

import (
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
)

func TestTopSellers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	kitchen, audio := f.category(0, 1, "kitchen"), f.category(0, 2, "audio")
	kettle, pan := f.product("Kettle", kitchen), f.product("Pan", kitchen)
	knife, board := f.product("Knife", kitchen), f.product("Board", kitchen)
	speaker := f.product("Speaker", audio)
	f.product("Unsold", audio)
	ada := f.customer("Ada")
	f.order(ada, shop.OrderPaid, at(10, 0), piece{kettle, 3}, piece{pan, 5})
	f.order(ada, shop.OrderPaid, at(11, 0), piece{kettle, 4}, piece{knife, 5}, piece{board, 1}, piece{speaker, 1})
	f.order(ada, shop.OrderCancelled, at(11, 0), piece{board, 100})
	f.order(ada, shop.OrderPaid, at(9, 23), piece{board, 100}) // before
	f.order(ada, shop.OrderPaid, at(12, 0), piece{board, 100}) // after

	top := func(places int64) []shopdb.TopSellersRow {
		return must(f.TopSellers(t.Context(), shopdb.TopSellersParams{Places: places, Since: at(10, 0), Until: at(12, 0)}))(t)
	}
	want := []shopdb.TopSellersRow{
		{CategoryID: audio, Category: "Audio", Place: 1, ProductID: speaker, Product: "Speaker", Pieces: 1, RevenueCents: 1000},
		{CategoryID: kitchen, Category: "Kitchen", Place: 1, ProductID: kettle, Product: "Kettle", Pieces: 7, RevenueCents: 7000},
		{CategoryID: kitchen, Category: "Kitchen", Place: 2, ProductID: pan, Product: "Pan", Pieces: 5, RevenueCents: 5000},
		{CategoryID: kitchen, Category: "Kitchen", Place: 2, ProductID: knife, Product: "Knife", Pieces: 5, RevenueCents: 5000},
		{CategoryID: kitchen, Category: "Kitchen", Place: 4, ProductID: board, Product: "Board", Pieces: 1, RevenueCents: 1000},
	}
	equal(t, "one place", top(1), want[:2])
	equal(t, "two places, the second shared", top(2), want[:4])
	equal(t, "three places, of which nobody has the third", top(3), want[:4])
	equal(t, "all", top(100), want)
}

// cohort is a row of CustomerCohorts that is short to write.
type cohort struct {
	Cohort      time.Time
	MonthsLater int32
	Customers   int64
}

func cohorts(t *testing.T, q *shopdb.Queries, since time.Time) []cohort {
	t.Helper()
	rows := must(q.CustomerCohorts(t.Context(), since))(t)
	return each(rows, func(r shopdb.CustomerCohortsRow) cohort { return cohort(r) })
}

func TestCustomerCohorts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ada, ben, cy, dora := f.customer("Ada"), f.customer("Ben"), f.customer("Cy"), f.customer("Dora")
	in := func(year int, month time.Month, day int) time.Time { return date(year, month, day).Add(12 * time.Hour) }

	f.order(ada, shop.OrderPaid, in(2024, time.November, 5)) // before the period, so she is in no cohort of it
	f.order(ada, shop.OrderPaid, in(2025, time.January, 5))
	f.order(ben, shop.OrderPaid, in(2024, time.December, 2))
	f.order(ben, shop.OrderPaid, in(2024, time.December, 30)) // twice in a month counts once
	f.order(ben, shop.OrderPaid, in(2025, time.February, 1))
	f.order(ben, shop.OrderPaid, in(2026, time.January, 31)) // 13 months later
	f.order(cy, shop.OrderCancelled, in(2024, time.December, 1))
	f.order(cy, shop.OrderPaid, in(2025, time.January, 31))
	f.order(dora, shop.OrderPaid, date(2025, time.January, 1)) // at the first instant of the month
	f.order(dora, shop.OrderPaid, in(2025, time.February, 28))

	december, january := date(2024, time.December, 1), date(2025, time.January, 1)
	want := []cohort{
		{december, 0, 1},
		{december, 2, 1},
		{december, 13, 1},
		{january, 0, 2},
		{january, 1, 1},
	}
	// A day within a month means all of the month.
	equal(t, "cohorts", cohorts(t, f.Queries, in(2024, time.December, 20)), want)
	equal(t, "of January", cohorts(t, f.Queries, january), want[3:])
	equal(t, "of later", cohorts(t, f.Queries, in(2027, time.January, 1)), []cohort{})
}

// revenue is a row of DailyRevenue that is short to write.
type revenue struct {
	Day                  time.Time
	Orders, RevenueCents int64
	WeekMeanCents        float64
}

func revenues(t *testing.T, q *shopdb.Queries, first, until time.Time) []revenue {
	t.Helper()
	rows := must(q.DailyRevenue(t.Context(), shopdb.DailyRevenueParams{FirstDay: first, UntilDay: until}))(t)
	return each(rows, func(r shopdb.DailyRevenueRow) revenue { return revenue(r) })
}

func TestDailyRevenue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ada, pan := f.customer("Ada"), f.product("Pan")
	f.order(ada, shop.OrderPaid, at(1, 0).Add(-time.Second), piece{pan, 50}) // the day before
	f.order(ada, shop.OrderPaid, at(1, 0), piece{pan, 7})
	f.order(ada, shop.OrderCancelled, at(1, 1), piece{pan, 50})
	f.order(ada, shop.OrderPaid, at(8, 10), piece{pan, 3})
	f.order(ada, shop.OrderPaid, at(8, 23), piece{pan, 4})
	f.order(ada, shop.OrderPaid, at(9, 0), piece{pan, 50}) // the day after

	rows := revenues(t, f.Queries, at(1, 0), at(9, 0))
	if len(rows) != 8 {
		t.Fatalf("%d days, want 8: %+v", len(rows), rows)
	}
	equal(t, "the first day", rows[:1], []revenue{{at(1, 0), 1, 7000, 7000}})
	equal(t, "a day without orders", rows[1:2], []revenue{{at(2, 0), 0, 0, 3500}})
	// The seven days that end with the seventh hold the first; those that end with the eighth do not.
	equal(t, "the last two", rows[6:], []revenue{{at(7, 0), 0, 0, 1000}, {at(8, 0), 2, 7000, 1000}})
}

// Days and months are those of UTC, wherever the session thinks it is.
func TestReportsDoNotDependOnTheTimeZone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.order(f.customer("Ada"), shop.OrderPaid, at(32, 0).Add(-time.Minute), piece{f.product("Pan"), 1}) // 31 January, 23:59

	tx := must(f.db.Begin(t.Context()))(t)
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "SET LOCAL timezone = 'Asia/Tokyo'"); err != nil {
		t.Fatal(err)
	}
	q := f.WithTx(tx)
	equal(t, "cohorts", cohorts(t, q, at(1, 0)), []cohort{{at(1, 0), 0, 1}})
	equal(t, "revenue", revenues(t, q, at(31, 0), at(33, 0)),
		[]revenue{{at(31, 0), 1, 1000, 1000}, {at(32, 0), 0, 0, 500}})
}
