package seed

import (
	"fmt"
	"iter"
	"slices"
	"testing"
)

// printRow makes rows comparable: it follows pointers, which %v does not.
func printRow(row []any) string {
	parts := make([]string, len(row))
	for i, value := range row {
		switch v := value.(type) {
		case *string:
			parts[i] = deref(v)
		case *int:
			parts[i] = deref(v)
		case *int64:
			parts[i] = deref(v)
		case *float64:
			parts[i] = deref(v)
		default:
			parts[i] = fmt.Sprint(v)
		}
	}
	return fmt.Sprint(parts)
}

func deref[T any](p *T) string {
	if p == nil {
		return "null"
	}
	return fmt.Sprint(*p)
}

func collect(rows iter.Seq[[]any]) []string {
	var printed []string
	for row := range rows {
		printed = append(printed, printRow(row))
	}
	return printed
}

func TestPartsAddUpToTheWhole(t *testing.T) {
	t.Parallel()
	for _, table := range tables(Tiny) {
		t.Run(table.name, func(t *testing.T) {
			t.Parallel()
			whole := collect(table.rows(1, table.things))
			if len(whole) != table.total {
				t.Errorf("%d rows, announced %d", len(whole), table.total)
			}
			for _, cut := range []int{0, 1, table.things / 3, table.things - 1, table.things} {
				parts := slices.Concat(collect(table.rows(1, cut)), collect(table.rows(cut+1, table.things)))
				if !slices.Equal(parts, whole) {
					t.Errorf("cut after %d, the rows are others", cut)
				}
			}
		})
	}
}

func TestRowsFitTheirColumns(t *testing.T) {
	t.Parallel()
	for _, table := range tables(Tiny) {
		for row := range table.rows(1, table.things) {
			if len(row) != len(table.columns) {
				t.Errorf("%s: %d values for %d columns", table.name, len(row), len(table.columns))
			}
			break // which also tests that a maker stops when it is told to
		}
	}
}

func TestTablesComeAfterThoseTheyReferTo(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, table := range tables(Tiny) {
		seen[table.name] = true
	}
	for _, table := range tables(Tiny) {
		for _, name := range table.after {
			if !seen[name] {
				t.Errorf("%s waits for %s, which nobody fills", table.name, name)
			}
		}
	}
}

func TestCycle(t *testing.T) {
	t.Parallel()
	c := cycle{3, 1, 4, 1, 5, 9, 2, 6, 5, 3}
	sum := 0
	for id := 1; id <= 57; id++ {
		sum += c.of(id)
		if got := c.upTo(id); got != sum {
			t.Fatalf("upTo(%d) = %d, want %d", id, got, sum)
		}
	}
	if got := c.upTo(0); got != 0 {
		t.Errorf("upTo(0) = %d", got)
	}
	for first := 1; first < 20; first++ {
		if got := c.upTo(first+9) - c.upTo(first-1); got != 39 {
			t.Errorf("the ten from %d on have %d parts, want 39", first, got)
		}
	}
}

func TestDiceDependOnlyOnTheThing(t *testing.T) {
	t.Parallel()
	throws := func(d *dice) (n [4]int) {
		for i := range n {
			n[i] = d.upTo(1_000_000)
		}
		return n
	}
	used, fresh := newDice(), newDice()
	used.throwFor(orderTopic, 1)
	throws(used)
	used.throwFor(orderTopic, 7)
	fresh.throwFor(orderTopic, 7)
	seventh := throws(fresh)
	if throws(used) != seventh {
		t.Error("the dice remember what they were used for")
	}
	fresh.throwFor(orderTopic, 8)
	if throws(fresh) == seventh {
		t.Error("two orders have the same dice")
	}
	fresh.throwFor(cartTopic, 7)
	if throws(fresh) == seventh {
		t.Error("an order and a cart have the same dice")
	}
}

func TestDiceAreFair(t *testing.T) {
	t.Parallel()
	d := newDice()
	const things = 10_000
	var faces [10]int
	low := 0
	for id := range things {
		d.throwFor(productTopic, id)
		faces[d.upTo(10)]++
		if d.skewed(1000) < 125 {
			low++
		}
	}
	for face, n := range faces {
		if n < 850 || n > 1150 {
			t.Errorf("face %d of ten came %d times in %d first throws", face, n, things)
		}
	}
	if low < 4500 || low > 5500 {
		t.Errorf("%d of %d skewed throws fell on the first eighth, want about half", low, things)
	}
}

func TestAddedByMatchesAddedAt(t *testing.T) {
	t.Parallel()
	for _, n := range []int{20, 61, 1000, 99_999} {
		for _, id := range []int{1, 2, n / 2, n - 1, n} {
			at := addedAt(id, n)
			if by := addedBy(at, n); by > id {
				t.Errorf("%d of %d: %d are there at %v", id, n, by, at)
			}
			if by := addedBy(at.Add(growth/20), n); by < id {
				t.Errorf("%d of %d: only %d are there some time later", id, n, by)
			}
		}
		if by := addedBy(Epoch, n); by != n {
			t.Errorf("at the epoch %d of %d are there", by, n)
		}
	}
}

// An order goes as far as time allows.
func TestOrdersProceedWithTime(t *testing.T) {
	t.Parallel()
	made := maker{Size{Products: 1000, Customers: 500, Orders: 10_000}}.newOrderMaker()
	seen := make(map[string]int)
	for id := 1; id <= 10_000; id++ {
		o := made.make(id)
		seen[o.status]++
		if Epoch.Sub(o.placed) > 10*day && o.status != "delivered" && o.status != "cancelled" {
			t.Errorf("order %d of %v is still %s", id, o.placed, o.status)
		}
		if len(o.lines) != linesOfOrder.of(id) {
			t.Errorf("order %d has %d lines, want %d", id, len(o.lines), linesOfOrder.of(id))
		}
	}
	for _, status := range []string{"pending", "paid", "shipped", "delivered", "cancelled"} {
		if seen[status] == 0 {
			t.Errorf("no order is %s", status)
		}
	}
	if seen["delivered"] < 9000 {
		t.Errorf("only %d of 10,000 orders are delivered", seen["delivered"])
	}
}

// BenchmarkRows measures what a load costs before the server has anything to do with it.
func BenchmarkRows(b *testing.B) {
	for _, table := range tables(Default) {
		b.Run(table.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for range table.rows(1, min(table.things, 10_000)) {
				}
			}
		})
	}
}
