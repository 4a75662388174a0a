package seed

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

func (m maker) customers(first, last int) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		d := newDice()
		for id := first; id <= last; id++ {
			d.throwFor(customerTopic, id)
			given, family := pick(d, firstNames), pick(d, lastNames)
			email := strings.ToLower(fmt.Sprintf("%s.%s%d@example.com", given, family, id))
			var phone *string
			if d.chance(60) {
				number := fmt.Sprintf("+49 555 %07d", d.upTo(10_000_000))
				phone = &number
			}
			var born *time.Time
			if d.chance(50) {
				date := time.Date(d.between(1940, 2006), time.January, d.between(1, 365), 0, 0, 0, 0, time.UTC)
				born = &date
			}
			registered := addedAt(id, m.size.Customers)
			row := []any{
				id, email, given + " " + family, phone, pick(d, countries), tier(d), born, d.chance(35),
				registered, registered.Add(d.duration(Epoch.Sub(registered))),
			}
			if !yield(row) {
				return
			}
		}
	}
}

func tier(d *dice) string {
	switch n := d.upTo(100); {
	case n < 5:
		return "gold"
	case n < 20:
		return "silver"
	default:
		return "standard"
	}
}

func (m maker) reviews(first, last int) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		d := newDice()
		row := reviewsOfProduct.upTo(first - 1)
		for id := first; id <= last; id++ {
			d.throwFor(reviewTopic, id)
			// The reviews of a product are this far apart in the list of customers, so no customer writes two of them.
			const most = 5
			stride := m.size.Customers / most
			author := d.upTo(m.size.Customers)
			for range reviewsOfProduct.of(id) {
				row++
				author += stride
				customer := 1 + author%m.size.Customers
				earliest := addedAt(id, m.size.Products)
				if registered := addedAt(customer, m.size.Customers); registered.After(earliest) {
					earliest = registered
				}
				written := earliest.Add(d.duration(Epoch.Sub(earliest)))
				rating := 5 - d.skewed(5)
				row := []any{
					row, id, customer, rating, optional(d, 70, verdicts[rating-1]), pick(d, remarks), d.chance(75), written, written,
				}
				if !yield(row) {
					return
				}
			}
		}
	}
}

// cart is what the rows of its contents have to know of a cart.
type cart struct {
	id      pgtype.UUID
	created time.Time
}

func (m maker) cart(d *dice, id int) cart {
	d.throwFor(cartTopic, id)
	key := pgtype.UUID{Valid: true}
	for i := range key.Bytes {
		key.Bytes[i] = byte(d.upTo(256))
	}
	key.Bytes[6] = key.Bytes[6]&0x0f | 0x40 // version 4, as gen_random_uuid
	key.Bytes[8] = key.Bytes[8]&0x3f | 0x80
	return cart{id: key, created: Epoch.Add(-d.duration(60 * day))}
}

func (m maker) carts(first, last int) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		d := newDice()
		for id := first; id <= last; id++ {
			c := m.cart(d, id)
			var customer *int
			if d.chance(70) {
				n := 1 + d.upTo(addedBy(c.created, m.size.Customers))
				customer = &n
			}
			if !yield([]any{c.id, customer, c.created, c.created, c.created.Add(30 * day)}) {
				return
			}
		}
	}
}

func (m maker) cartItems(first, last int) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		d := newDice()
		var chosen []int
		for id := first; id <= last; id++ {
			c := m.cart(d, id)
			chosen = m.basket(d, chosen[:0], productsOfCart.of(id), c.created)
			for _, product := range chosen {
				if !yield([]any{c.id, product, d.between(1, 3), c.created}) {
					return
				}
			}
		}
	}
}
