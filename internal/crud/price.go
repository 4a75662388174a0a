package crud

import (
	"context"

	"github.com/smrt-go/smrt/internal/keyset"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// Begin is Enter of an operation that does work and nothing beside it.
func (b *Bound) Begin(ctx *context.Context, op table.Op, w table.Work) *limit.Call {
	c := b.Enter(ctx, op)
	if c.Priced() {
		c.Ask(b.Price(*ctx, c, w))
	}
	return c
}

// RowsOf returns how many rows work reads at most.
func (b *Bound) RowsOf(c *limit.Call, w table.Work) int64 { return b.Table.Rows(c, w) }

// Price returns what work asks for.
func (b *Bound) Price(ctx context.Context, c *limit.Call, w table.Work) limit.Price {
	columns := len(b.Rows.Targets)
	switch w.Does {
	case table.ReadsKeys, table.ReadsRows, table.ReadsNumbered:
		w.Exprs = b.Rows.Exprs
	case table.WritesRows:
		columns = len(b.Table.Struct.Columns)
	}
	return b.Table.Price(ctx, c, w, columns)
}

func (b *Bound) priceOfGroups(ctx context.Context, call *limit.Call, g *plan.Groups, s *plan.Spec) limit.Price {
	n := int64(1)
	if g.Keyed() {
		n = call.RowsAsked(g.Spec.Limit, 0)
	}
	return b.Table.Price(ctx, call, table.Work{Does: table.Computes, N: int(n) * len(g.Outputs), Spec: s, Exprs: g.Outputs}, 0)
}

// NumberedPage is the work of a page that is known by its number: all rows are counted.
func NumberedPage(s *plan.Spec, number, size int) table.Work {
	if number > 0 && number <= maxPageNumber && size > 0 && size <= keyset.MaxPageSize {
		s = s.OrEmpty().WithOffset((number - 1) * size)
	}
	return table.Work{Does: table.ReadsNumbered, N: size, Spec: s}
}
