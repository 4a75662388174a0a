package load

import (
	"github.com/smrt-go/smrt/internal/limit"
)

// Place is where loads are made.
type Place uint8

// The places of loads.
const (
	Within Place = iota // with their parents, as far as they are declared so
	Apart               // each in a statement of its own
)

// Price returns what loads into so many parents ask for.
func (ls Loads) Price(call *limit.Call, parents int64, at Place) (p limit.Price) {
	for _, l := range ls {
		p = p.Plus(l.price(call, parents, at))
	}
	return p
}

func (l *Load) price(call *limit.Call, parents int64, at Place) limit.Price {
	if parents == 0 || l.spec.Empty() {
		return limit.Price{}
	}
	p := limit.Price{Points: 1 + l.spec.Joins()} // a statement, or a part of that of the parents
	if at == Apart || !l.inside {
		p.Later = p.Points
	}
	if l.into >= IntoCount {
		p.Values = parents
		return p
	}
	rows := call.RowsLoaded(limit.Product(parents, l.rowsOfParent()))
	p.Values = limit.Product(rows, int64(len(l.shape.targets)))
	nested := Loads(l.nested).Price(call, rows, Within)
	if p.Later > 0 {
		nested.Later = nested.Points
	}
	return p.Plus(nested)
}

// points returns what the statement of l costs, with the loads that travel in it.
func (l *Load) points() int64 {
	n := 1 + l.spec.Joins()
	for _, in := range l.joined {
		n += in.points()
	}
	return n
}

// rowsOfParent returns how many rows are asked for with each parent.
func (l *Load) rowsOfParent() int64 {
	switch {
	case l.spec.HasLimit:
		return max(l.spec.Limit, 0)
	case l.Steps != nil && l.Steps.Of.single:
		return int64(l.Steps.Depth)
	case l.Steps != nil:
		return limit.RowsOfParent * int64(l.Steps.Depth)
	case l.single:
		return 1
	}
	return limit.RowsOfParent
}
