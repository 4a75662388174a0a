package seed

import (
	"fmt"
	"iter"
	"math"
	"time"
)

// basket appends n different products to chosen that were on offer at an instant, popular ones more often.
func (m maker) basket(d *dice, chosen []int, n int, at time.Time) []int {
	offered := addedBy(at, m.size.Products)
next:
	for len(chosen) < n {
		product := d.skewed(offered)
		for _, other := range chosen {
			if other == product+1 {
				continue next
			}
		}
		chosen = append(chosen, product+1)
	}
	return chosen
}

// order is an order with its lines. The slice of the lines is used again for the next one.
type order struct {
	customer      int
	placed        time.Time
	paid, shipped *time.Time
	updated       time.Time
	status        string
	version       int
	lines         []line
	totalCents    int
}

// line is one line of an order.
type line struct {
	product, quantity, cents, discount int
}

// orderMaker makes orders one after the other.
type orderMaker struct {
	maker
	dice   *dice
	prices *dice
	chosen []int
	order  order
}

func (m maker) newOrderMaker() *orderMaker {
	return &orderMaker{maker: m, dice: newDice(), prices: newDice()}
}

// make makes order number id. The order is good until the next call.
func (m *orderMaker) make(id int) *order {
	d, o := m.dice, &m.order
	d.throwFor(orderTopic, id)
	*o = order{lines: o.lines[:0], placed: placedAt(float64(id-1)+d.random.Float64(), m.size.Orders)}
	o.customer = 1 + d.skewed(addedBy(o.placed, m.size.Customers))
	m.chosen = m.basket(d, m.chosen[:0], linesOfOrder.of(id), o.placed)
	for _, product := range m.chosen {
		l := line{product: product, quantity: 1 + d.skewed(5), cents: m.product(m.prices, product).cents}
		if d.chance(10) {
			l.discount = l.quantity * l.cents / 10
		}
		o.totalCents += l.quantity*l.cents - l.discount
		o.lines = append(o.lines, l)
	}
	o.proceed(d)
	return o
}

// placedAt is when the order at a place among n was placed. Business picked up: towards the end, orders come twice as
// often as on the average day.
func placedAt(place float64, n int) time.Time {
	passed := time.Duration(math.Sqrt(place/float64(n)) * float64(business))
	return Epoch.Add(passed - business).Truncate(time.Second)
}

// proceed takes an order as far as it had come at Epoch.
func (o *order) proceed(d *dice) {
	o.status, o.version, o.updated = "pending", 1, o.placed
	if d.chance(4) {
		o.step("cancelled", o.placed.Add(d.duration(day)))
		return
	}
	paid := o.placed.Add(d.duration(2 * day))
	if !o.step("paid", paid) {
		return
	}
	o.paid = &paid
	shipped := paid.Add(d.duration(3 * day))
	if !o.step("shipped", shipped) {
		return
	}
	o.shipped = &shipped
	o.step("delivered", shipped.Add(day+d.duration(4*day)))
}

// step moves an order on, unless that is yet to come.
func (o *order) step(status string, at time.Time) bool {
	if at.After(Epoch) {
		return false
	}
	o.status, o.updated = status, at
	o.version++
	return true
}

func (m maker) orders(first, last int) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		made := m.newOrderMaker()
		for id := first; id <= last; id++ {
			o := made.make(id)
			row := []any{
				id, o.customer, o.status, o.version, o.totalCents, optional(made.dice, 8, orderNotes), address(made.dice),
				o.placed, o.paid, o.shipped, o.updated,
			}
			if !yield(row) {
				return
			}
		}
	}
}

// address is null for the few orders that are fetched in person.
func address(d *dice) []byte {
	if d.chance(3) {
		return nil
	}
	return fmt.Appendf(nil, `{"street": "%s %d", "city": %q, "postcode": "%05d", "country": %q}`,
		pick(d, streets), d.between(1, 180), pick(d, cities), d.upTo(100_000), pick(d, countries))
}

func (m maker) orderItems(first, last int) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		made := m.newOrderMaker()
		for id := first; id <= last; id++ {
			for i, l := range made.make(id).lines {
				if !yield([]any{id, i + 1, l.product, l.quantity, l.cents, l.discount}) {
					return
				}
			}
		}
	}
}
