package seed

import (
	"fmt"
	"iter"
	"strings"
	"time"
)

const day = 24 * time.Hour

// The catalog and the customers grew evenly over three years; the orders are of the last two.
const (
	growth   = 3 * 365 * day
	business = 2 * 365 * day
)

// maker makes the rows of a shop of some size. Its methods that give rows take the first and the last number of the
// things that the rows belong to, and can be used any number of times and at once.
type maker struct {
	size Size
}

// addedAt is when the thing number id of n was added.
func addedAt(id, n int) time.Time {
	return Epoch.Add(-growth + growth/time.Duration(n)*time.Duration(id-1)).Truncate(time.Second)
}

// addedBy is how many of n things had been added at an instant.
func addedBy(at time.Time, n int) int {
	return min(n, int(at.Sub(Epoch.Add(-growth))/(growth/time.Duration(n))))
}

func (m maker) categories(first, last int) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for id := first; id <= last; id++ {
			c := categories[id-1]
			var parent *int64
			if c.parent != 0 {
				n := int64(c.parent)
				parent = &n
			}
			opened := Epoch.Add(-growth)
			if !yield([]any{id, parent, slug(c.name), c.name, c.position, opened, opened}) {
				return
			}
		}
	}
}

func slug(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), " ", "-")
}

// product is what the rows of other tables have to know of a product. It is cheap to make.
type product struct {
	leaf  leaf
	cents int
	added time.Time
}

// product makes a product and leaves d at the choices that only its own row needs.
func (m maker) product(d *dice, id int) product {
	d.throwFor(productTopic, id)
	l := pick(d, leaves)
	// 99 at the end of most prices, as in shops.
	cents := l.kind.cents*d.between(50, 200)/100/100*100 + 99
	if d.chance(20) {
		cents -= 49
	}
	return product{leaf: l, cents: cents, added: addedAt(id, m.size.Products)}
}

func (m maker) products(first, last int) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		d, other := newDice(), newDice()
		for id := first; id <= last; id++ {
			p := m.product(d, id)
			stock := 0
			for _, place := range m.places(other, id) {
				stock += place.quantity - place.reserved
			}
			brand, material, adjective := pick(d, brands), pick(d, materials), pick(d, adjectives)
			title := fmt.Sprintf("%s %s %s %s %d", brand, adjective, material, p.leaf.kind.noun, d.between(2, 99)*10)
			text := fmt.Sprintf("A %s %s made of %s, %s. %s", adjective, p.leaf.kind.noun, material, pick(d, uses), pick(d, praises))
			var grams *int
			if p.leaf.kind.grams > 0 {
				n := max(1, p.leaf.kind.grams*d.between(70, 140)/100)
				grams = &n
			}
			updated := p.added.Add(d.duration(Epoch.Sub(p.added)))
			var deleted *time.Time
			if d.chance(2) {
				deleted = &updated
			}
			row := []any{
				id, p.leaf.category, fmt.Sprintf("%s-%06d", p.leaf.code, id), title, text, p.cents, stock, grams, someKeywords(d),
				attributes(d, brand, material), p.added, updated, deleted,
			}
			if !yield(row) {
				return
			}
		}
	}
}

// someKeywords picks none to four keywords, all different.
func someKeywords(d *dice) []string {
	chosen := make([]string, d.between(0, 4))
	at := d.upTo(len(keywords))
	for i := range chosen {
		chosen[i] = keywords[at%len(keywords)]
		at += d.between(1, 4)
	}
	return chosen
}

func attributes(d *dice, brand, material string) []byte {
	doc := fmt.Appendf(nil, `{"brand": %q, "material": %q, "color": %q, "warranty_months": %d`,
		brand, material, pick(d, colours), 12*d.between(1, 5))
	if d.chance(25) {
		doc = fmt.Appendf(doc, `, "energy": {"class": "%c", "watts": %d}`, 'A'+rune(d.upTo(5)), d.between(2, 1800))
	}
	return append(doc, '}')
}

// priceHistory leads in steps from some first price to the one the product has now.
func (m maker) priceHistory(first, last int) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		d := newDice()
		row := changesOfProduct.upTo(first - 1)
		for id := first; id <= last; id++ {
			p := m.product(d, id)
			d.throwFor(historyTopic, id)
			changes := changesOfProduct.of(id)
			prices := make([]int, changes+1)
			prices[changes] = p.cents
			for i := changes - 1; i >= 0; i-- {
				prices[i] = prices[i+1] + d.between(1, 20)*50
			}
			at := p.added
			for i := range changes {
				row++
				at = at.Add(d.duration(Epoch.Sub(at)))
				if !yield([]any{row, id, prices[i], prices[i+1], optional(d, 80, priceReasons), at}) {
					return
				}
			}
		}
	}
}

// optional picks a choice in so many of a hundred cases, else nothing.
func optional(d *dice, percent int, choices []string) *string {
	if !d.chance(percent) {
		return nil
	}
	choice := pick(d, choices)
	return &choice
}

func (m maker) tags(first, last int) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for id := first; id <= last; id++ {
			if !yield([]any{id, tags[id-1], Epoch.Add(-growth)}) {
				return
			}
		}
	}
}

func (m maker) productTags(first, last int) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		d := newDice()
		for id := first; id <= last; id++ {
			d.throwFor(productTopic, id)
			at := d.upTo(len(tags))
			for range tagsOfProduct.of(id) {
				at += d.between(1, len(tags)/5)
				if !yield([]any{id, 1 + at%len(tags)}) {
					return
				}
			}
		}
	}
}
