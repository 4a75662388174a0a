package smrttest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/sqltext"
	"github.com/smrt-go/smrt/internal/traced"
)

// CacheWrites is a pool on which t fails for each statement that writes a table whose rows a cache keeps, or a foreign
// key of such a table leads to, if nobody told the cache: SQL by hand, and sqlc's, needs a comment and cache.On, or
// cache.Wrote after it. Without that rows are old until their TTL ends.
//
//	pool := smrttest.Pool(t, schema, smrttest.CacheWrites(t))
//
// What a statement writes is said by its words: INSERT INTO, UPDATE, DELETE FROM, MERGE INTO, TRUNCATE, COPY. What a
// function, a trigger or CopyFrom writes is not seen. Statements that were sent before there is a cache are not looked at, and
// what a test writes by hand to prepare itself goes to another pool. A test in parallel whose caches keep tables of
// the same names counts as this one.
func CacheWrites(t testing.TB) Option {
	w := &cacheWrites{}
	traced.Observe(true) // so that the library names what it makes for a call
	cached.Add(w)
	t.Cleanup(func() {
		cached.Remove(w, func(cached.Place) bool { return false })
		for _, s := range w.left() {
			t.Errorf("a cache was not told that %s was written: write /* smrt:writes %s */ in the statement and send it on cache.On, or call cache.Wrote after it: %s", s.table, s.table, s.sql)
		}
	})
	return Configure(func(cfg *pgxpool.Config) {
		if before := cfg.ConnConfig.Tracer; before != nil {
			cfg.ConnConfig.Tracer = multitracer.New(before, w)
			return
		}
		cfg.ConnConfig.Tracer = w
	})
}

// cacheWrites has the statements that nobody has told of yet. It is told as caches are: before the call returns, and
// whether or not the transaction is committed.
type cacheWrites struct {
	mu   sync.Mutex
	sent []sentWrite
}

// sentWrite is a table that a statement has written.
type sentWrite struct{ table, sql string }

var (
	_ cached.Cache    = (*cacheWrites)(nil)
	_ pgx.QueryTracer = (*cacheWrites)(nil)
	_ pgx.BatchTracer = (*cacheWrites)(nil)
)

// Cares makes no difference to what the library tells of.
func (w *cacheWrites) Cares(string, cached.Event) bool { return false }

// ByKey implements cached.Cache.
func (w *cacheWrites) ByKey(any, cached.Event) bool { return false }

// Watch implements cached.Cache. There is nothing to watch.
func (w *cacheWrites) Watch([]*cached.Word, string, bool) {}

// Touched takes out what is told of. A write of the library is no answer to a statement by hand: it knows which of
// the events it is.
func (w *cacheWrites) Touched(words []*cached.Word, c cached.Change) []*cached.Word {
	if c.Does != cached.Create|cached.Update|cached.Delete {
		return words
	}
	table := c.Table[strings.LastIndexByte(c.Table, '.')+1:]
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Decl != nil { // cache.Wrote, for all that was sent
		w.sent = slices.DeleteFunc(w.sent, func(s sentWrite) bool { return s.table == table })
		return words
	}
	for i := len(w.sent) - 1; i >= 0; i-- { // cache.On, for the statement that has just ended
		if w.sent[i].table == table {
			w.sent = slices.Delete(w.sent, i, i+1)
			break
		}
	}
	return words
}

func (w *cacheWrites) left() []sentWrite {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent
}

// add notes what a statement has written that is not the library's own.
func (w *cacheWrites) add(sql string) {
	if name, ok := traced.NameOf(sql); ok && name.Table != "" {
		return
	}
	for _, table := range sqltext.Written(sql) {
		if cached.Cares(table, cached.Create|cached.Update|cached.Delete) {
			w.mu.Lock()
			w.sent = append(w.sent, sentWrite{table, sql})
			w.mu.Unlock()
		}
	}
}

type cacheWritesKey struct{}

// TraceQueryStart implements pgx.QueryTracer.
func (w *cacheWrites) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, cacheWritesKey{}, data.SQL)
}

// TraceQueryEnd implements pgx.QueryTracer. What failed has written nothing.
func (w *cacheWrites) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	if sql, ok := ctx.Value(cacheWritesKey{}).(string); ok && data.Err == nil {
		w.add(sql)
	}
}

// TraceBatchStart implements pgx.BatchTracer.
func (w *cacheWrites) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (w *cacheWrites) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	if data.Err == nil {
		w.add(data.SQL)
	}
}

// TraceBatchEnd implements pgx.BatchTracer.
func (w *cacheWrites) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
