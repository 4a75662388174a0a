package seed

import "iter"

func (m maker) warehouses(first, last int) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for id := first; id <= last; id++ {
			w := warehouses[id-1]
			var latitude, longitude *float64
			built := w.latitude != 0
			if built {
				latitude, longitude = &w.latitude, &w.longitude
			}
			opened := Epoch.Add(-growth)
			if !yield([]any{id, w.code, w.name, w.country, latitude, longitude, built, opened, opened}) {
				return
			}
		}
	}
}

// place is what one warehouse holds of a product.
type place struct {
	warehouse, quantity, reserved, reorderAt int
}

// places says where a product lies, in different warehouses.
func (m maker) places(d *dice, id int) []place {
	d.throwFor(stockTopic, id)
	open := len(warehouses) - 1
	places := make([]place, placesOfProduct.of(id))
	at := d.upTo(open)
	for i := range places {
		quantity := d.skewed(200)
		places[i] = place{
			warehouse: 1 + at%open,
			quantity:  quantity,
			reserved:  d.upTo(quantity/8 + 1),
			reorderAt: d.upTo(4),
		}
		at += d.between(1, open/3)
	}
	return places
}

func (m maker) inventory(first, last int) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		d := newDice()
		for id := first; id <= last; id++ {
			for _, p := range m.places(d, id) {
				if !yield([]any{p.warehouse, id, p.quantity, p.reserved, p.reorderAt, Epoch}) {
					return
				}
			}
		}
	}
}
