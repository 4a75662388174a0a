package table

import (
	"context"

	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Work is what an operation is about to do to rows of a table.
type Work struct {
	Does  Does
	N     int            // rows, keys or columns, see Does
	Spec  *plan.Spec     // of those that are about rows by query
	Exprs []*meta.Column // that are selected
}

// Does says what an operation does, and what N is.
type Does uint8

// What operations do.
const (
	ReadsKeys     Does = iota // rows with N keys
	ReadsRows                 // rows that match, at most N; 0: as many as there are
	ReadsNumbered             // N rows that match, and counts all of them
	Computes                  // N values of all rows that match
	LooksFor                  // whether a row matches
	WritesRows                // N rows
	WritesWhere               // N columns of the rows that match
)

// Rows returns how many rows work reads at most.
func (t *Table) Rows(call *limit.Call, w Work) int64 {
	if w.Does == ReadsKeys {
		return int64(w.N)
	}
	s := w.Spec.OrEmpty()
	asked := int64(w.N)
	if asked == 0 && s.HasLimit {
		asked = max(s.Limit, 1)
	}
	keys, _ := s.Keys(t.Table.Table)
	return call.RowsAsked(asked, keys)
}

// Price returns what work asks for, of rows with so many columns.
func (t *Table) Price(ctx context.Context, call *limit.Call, w Work, columns int) limit.Price {
	p := limit.Price{Points: 1}
	n := int64(w.N)
	switch s := w.Spec.OrEmpty(); {
	case w.Does == ReadsKeys && n > 0:
		p.Points += plan.JoinsOf(w.Exprs...)
		p.Values = limit.Product(n, int64(columns))
		p.Fixed = p.Values
	case w.Does == WritesRows && n > 0:
		p.Values = limit.Product(n, int64(columns))
		p.Fixed = p.Values
		p = p.Times(limit.Write)
	case w.Does == ReadsKeys || w.Does == WritesRows || s.Empty():
		return limit.Price{} // nothing is sent
	default:
		return t.priceOfQuery(ctx, call, w, columns)
	}
	return p
}

// priceOfQuery is Price of what finds its rows by a query.
func (t *Table) priceOfQuery(ctx context.Context, call *limit.Call, w Work, columns int) limit.Price {
	s := w.Spec.OrEmpty()
	p := limit.Price{Points: 1 + s.Joins() + plan.JoinsOf(w.Exprs...), Fixed: limit.Sum(s.Offset, 0), Factor: 1}
	n, scans := int64(w.N), !s.Vacuous()
	switch w.Does {
	case ReadsRows:
		p.Values = limit.Sum(limit.Product(t.Rows(call, w), int64(columns)), p.Fixed)
	case ReadsNumbered:
		p.Points *= 2
		p.Values, scans = limit.Sum(limit.Product(t.Rows(call, w), int64(columns)), p.Fixed), true
	case Computes:
		p.Values, p.Fixed, scans = n, 0, true
	case WritesWhere:
		keys, _ := s.Keys(t.Table.Table)
		p.Values, scans = limit.Product(call.RowsWritten(keys), max(n, 1)), true
		p = p.Times(limit.Write)
	}
	if scans && !s.Narrowed() && !t.oneTenant(ctx) {
		p = p.Times(limit.Scan)
	}
	return p
}

// oneTenant reports whether all rows are of the tenant of ctx, which narrows a query as
// a condition does.
func (t *Table) oneTenant(ctx context.Context) bool {
	if t.Tenant == nil {
		return false
	}
	of, err := t.Owner(ctx)
	return err == nil && of.Bound()
}
