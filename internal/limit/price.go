package limit

// Price is what something asks of the server: points for work, and values that come
// back or are sent.
type Price struct {
	Points, Values int64

	Later  int64 // of the points: of what is sent only if rows come, see Call.Spend
	Fixed  int64 // of the values: those that are not counted as they come
	Factor int64 // of values that come as results, but for those of loads
}

// What a price is made of.
const (
	ValuesOfPoint = 1_600  // 100 rows of 16 columns
	UnlimitedRows = 10_000 // that are asked for where nothing says how many
	RowsOfParent  = 10     // that a load brings in where nothing says how many
	Scan          = 10     // as much work is a statement that looks at all rows
	Write         = 2      // as much work is a write

	maxRows  = 1 << 40 // that are counted
	maxPrice = 1 << 52 // points, and values: what costs more costs as much
)

// Total returns the price in points.
func (p Price) Total() int64 { return Sum(p.Points, p.Values/ValuesOfPoint) }

// Plus returns the price of both, with the factor of p.
func (p Price) Plus(o Price) Price {
	return Price{Sum(p.Points, o.Points), Sum(p.Values, o.Values), Sum(p.Later, o.Later), Sum(p.Fixed, o.Fixed), p.Factor}
}

// Times returns n times the price.
func (p Price) Times(n int64) Price {
	return Price{Product(p.Points, n), Product(p.Values, n), Product(p.Later, n), Product(p.Fixed, n), Product(p.Factor, n)}
}

// Sum returns a + b, at most the highest price. What is below zero counts as zero.
func Sum(a, b int64) int64 { return inPrice(a) + min(inPrice(b), maxPrice-inPrice(a)) }

// Product returns a * b, at most the highest price. What is below zero counts as zero.
func Product(a, b int64) int64 {
	if a, b = inPrice(a), inPrice(b); b > 0 && a > maxPrice/b {
		return maxPrice
	}
	return a * b
}

func inPrice(n int64) int64 { return min(max(n, 0), maxPrice) }

// RowsAsked returns how many rows a read has at most which names as many keys, and has
// the given limit; each is 0 if it does not say.
func (c *Call) RowsAsked(limit, keys int64) int64 {
	if limit == 0 {
		limit = c.Cut()
	}
	rows := least(least(limit, keys), c.capOf(Rows))
	if rows == 0 {
		rows = UnlimitedRows
	}
	return min(max(rows, 0), maxRows)
}

// RowsLoaded returns how many rows a load of n rows may bring in.
func (c *Call) RowsLoaded(n int64) int64 { return min(least(n, c.capOf(Loaded)), maxRows) }

// RowsWritten returns how many rows a write by query writes at most, which names as
// many keys.
func (c *Call) RowsWritten(keys int64) int64 {
	rows := least(keys, c.capOf(Affected))
	if rows == 0 {
		rows = UnlimitedRows
	}
	return min(rows, maxRows)
}

// capOf returns the limit of a kind, whatever becomes of what is beyond; 0: there is
// none.
func (c *Call) capOf(k Kind) int64 {
	most := least(c.set.max[Enforce][k], c.set.max[Report][k])
	if a := c.allow.of(k); a != nil && most > 0 {
		most = max(most, a.Most)
	}
	return most
}
