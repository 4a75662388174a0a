package load

import (
	"github.com/smrt-go/smrt/internal/limit"
)

// Price returns what loads into so many parents ask for.
func (ls Loads) Price(call *limit.Call, parents int64) (p limit.Price) {
	for _, l := range ls {
		p = p.Plus(l.price(call, parents))
	}
	return p
}

func (l *Load) price(call *limit.Call, parents int64) limit.Price {
	p := limit.Price{Points: 1 + l.spec.Joins()} // a statement, or a part of that of the parents
	if parents == 0 || l.spec.Empty() {
		return limit.Price{}
	}
	if l.into >= IntoCount {
		p.Values = parents
		return p
	}
	rows := call.RowsLoaded(parents * l.rowsOfParent())
	p.Values = rows * int64(len(l.shape.targets))
	return p.Plus(Loads(l.nested).Price(call, rows))
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
