package catalog

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Demand is what a type and CHECK constraints ask of the values of one column.
type Demand struct {
	Numbers Range
	Lengths Range // in characters
	// List has the values that are left, if constraints name them. By says which constraint was the last to.
	List     []string
	Listed   bool
	By       string
	Complete bool // constraints of the column alone ask nothing else
}

// Range is a range of numbers. A bound that is nil is none; one that is strict is
// not in the range. By says what the bound comes from, for people.
type Range struct {
	Low, High             *big.Rat
	LowStrict, HighStrict bool
	LowBy, HighBy         string
}

// Demand returns what is asked of a column. Of integers no bound is strict.
func (r *Relation) Demand(c *Column, integer bool) Demand {
	d := Demand{Complete: true}
	if n, ok := c.Length(); ok {
		d.Lengths.atMost(big.NewRat(int64(n), 1), false, fmt.Sprintf("takes %d characters", n))
	}
	if x, ok := c.Greatest(); ok {
		digits, _ := x.FloatPrec()
		by := "takes numbers up to " + x.FloatString(digits)
		d.Numbers.atMost(x, false, by)
		d.Numbers.atLeast(new(big.Rat).Neg(x), false, by)
	}
	for _, constraint := range r.Checks {
		if !slices.Contains(constraint.Columns, c.Name) {
			continue
		}
		conditions, complete := constraint.Conditions()
		d.Complete = d.Complete && (complete || len(constraint.Columns) > 1)
		by := fmt.Sprintf("has the constraint %q, %s", constraint.Name, constraint.SQL)
		for i := range conditions {
			if conditions[i].Column == c.Name {
				d.Complete = d.add(&conditions[i], integer, by) && d.Complete
			}
		}
	}
	d.List = slices.DeleteFunc(d.List, func(v string) bool { return !d.has(v) })
	if integer {
		d.Numbers.round()
	}
	return d
}

// add reports whether the demand says all that the condition does.
func (d *Demand) add(c *Condition, integer bool, by string) bool {
	of := &d.Numbers
	if c.Length {
		of = &d.Lengths
	}
	limit, least, strict, isBound := c.Bound(integer)
	switch {
	case isBound && least:
		of.atLeast(limit, strict, by)
	case isBound:
		of.atMost(limit, strict, by)
	case c.Op == "<>" && c.Values[0] == "" && !c.Length:
		d.Lengths.atLeast(big.NewRat(1, 1), false, by)
	case c.Op == "=" && c.Length && len(c.Values) == 1:
		n, ok := new(big.Rat).SetString(c.Values[0])
		if ok {
			of.atLeast(n, false, by)
			of.atMost(n, false, by)
		}
		return ok
	case c.Op == "=" && !c.Length && d.Listed:
		d.List, d.By = slices.DeleteFunc(d.List, func(v string) bool { return !slices.Contains(c.Values, v) }), by
	case c.Op == "=" && !c.Length:
		d.List, d.Listed, d.By = slices.Clone(c.Values), true, by
	default:
		return false
	}
	return true
}

// has reports whether a value of the list is one that the rest allows.
func (d *Demand) has(v string) bool {
	x, isNumber := new(big.Rat).SetString(v)
	return d.Lengths.Has(big.NewRat(int64(len([]rune(v))), 1)) && (!isNumber || strings.ContainsAny(v, "eE/") || d.Numbers.Has(x))
}

func (b *Range) atLeast(x *big.Rat, strict bool, by string) {
	if b.Low == nil || x.Cmp(b.Low) > 0 || x.Cmp(b.Low) == 0 && strict {
		b.Low, b.LowStrict, b.LowBy = x, strict, by
	}
}

func (b *Range) atMost(x *big.Rat, strict bool, by string) {
	if b.High == nil || x.Cmp(b.High) < 0 || x.Cmp(b.High) == 0 && strict {
		b.High, b.HighStrict, b.HighBy = x, strict, by
	}
}

// Has reports whether a number is in the range.
func (b *Range) Has(x *big.Rat) bool {
	if b.Low != nil && (x.Cmp(b.Low) < 0 || b.LowStrict && x.Cmp(b.Low) == 0) {
		return false
	}
	return b.High == nil || x.Cmp(b.High) < 0 || !b.HighStrict && x.Cmp(b.High) == 0
}

// Empty reports whether no number is in the range.
func (b *Range) Empty() bool {
	return b.Low != nil && b.High != nil && (b.Low.Cmp(b.High) > 0 || (b.LowStrict || b.HighStrict) && b.Low.Cmp(b.High) == 0)
}

// round makes the bounds those of the integers between them.
func (b *Range) round() {
	if b.Low != nil {
		low := new(big.Int).Neg(b.Low.Num())
		b.Low = new(big.Rat).SetInt(low.Neg(low.Div(low, b.Low.Denom())))
	}
	if b.High != nil {
		b.High = new(big.Rat).SetInt(new(big.Int).Div(b.High.Num(), b.High.Denom()))
	}
}
