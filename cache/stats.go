package cache

import (
	"context"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/kept"
	"github.com/smrt-go/smrt/internal/table"
)

// Stats is what a cache has done since it was made, and what it holds. The numbers are
// read one after the other.
type Stats struct {
	Entries int   // about
	Bytes   int64 // about

	// Blocked is how many writes there are of which it is not known yet whether they
	// take effect. Rows that they concern are not kept meanwhile.
	Blocked int

	// Lost is for how many of them that will never be known: their rows are not kept
	// until the program starts again.
	Lost int

	Tables map[string]TableStats // by names without schemas
}

// TableStats is what a cache has done with the rows of one table.
type TableStats struct {
	Hits    uint64 // rows that were there
	Missing uint64 // keys of which it was known that there is no row
	Misses  uint64 // rows that had to be read
	Joined  uint64 // of the misses, those that waited for the statement of another
	Unkept  uint64 // reads whose rows were not kept, because a write may yet take effect
	Passed  uint64 // reads that asked to go past the cache, for the primary or for a position
}

// Stats returns what the cache has done.
func (c *Cache) Stats() Stats {
	s := Stats{
		Entries: c.rows.EstimatedSize(), Bytes: int64(c.rows.WeightedSize()),
		Blocked: int(c.blocks.count.Load()), Lost: int(c.blocks.lost.Load()), Tables: map[string]TableStats{},
	}
	for _, k := range c.kinds {
		n := &k.counts
		s.Tables[k.name] = TableStats{
			Hits: n.hits.Load(), Missing: n.missing.Load(), Misses: n.misses.Load(),
			Joined: n.joined.Load(), Unkept: n.unkept.Load(), Passed: n.passed.Load(),
		}
	}
	return s
}

func (c *Cache) report() kept.Report {
	s := c.Stats()
	r := kept.Report{Entries: s.Entries, Bytes: s.Bytes + int64(len(c.words)*8)}
	for _, t := range s.Tables {
		r.Hits += t.Hits + t.Missing
		r.Misses += t.Misses
	}
	return r
}

// shrink drops all entries if there are more than so many.
func (c *Cache) shrink(to int) {
	if c.rows.EstimatedSize() > to {
		c.Flush()
		c.rows.InvalidateAll()
	}
}

// Wrote tells all caches of the process that a statement of the program's own has
// written rows of tables: one that sqlc has made, or SQL by hand. It is called on the
// handle that the statement was sent on, after it and before the transaction ends. Then
// all rows of these tables are void when it is committed, and none if it is rolled back.
//
//	err := queries.WithTx(tx).CloseMonth(ctx, month)
//	cache.Wrote(ctx, tx, shop.Orders, shop.OrderItems)
func Wrote(ctx context.Context, db smrt.DB, tables ...Named) {
	if !cached.Any() || ctx == nil {
		return
	}
	changes := make([]cached.Change, 0, len(tables))
	for _, t := range tables {
		changes = append(changes, table.Of(t.Plan()).Change(cached.Create|cached.Update|cached.Delete, nil, table.Rows{}))
	}
	cached.Tell(ctx, db, nil, changes...)
}
