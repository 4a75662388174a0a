package testdb

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/traced"
)

// Counter records what connections of one pool sent. It is safe for concurrent use.
type Counter struct {
	mu         sync.Mutex
	statements []string
	sends      int
	settings   atomic.Bool
}

// Settings lets the counter record the settings of row security too, which belong to no statement of the program.
func (c *Counter) Settings() { c.settings.Store(true) }

// CountStatements lets the pool's connections report to the counter, beside a tracer that cfg may have already:
//
//	var sent *testdb.Counter
//	pool := testdb.Pool(t, schema, testdb.Configure(func(cfg *pgxpool.Config) {
//		sent = testdb.CountStatements(cfg)
//	}))
func CountStatements(cfg *pgxpool.Config) *Counter {
	c := &Counter{}
	c.Attach(cfg)
	return c
}

// Attach lets the pool's connections report to the counter, beside those of other pools that do already.
func (c *Counter) Attach(cfg *pgxpool.Config) {
	cfg.ConnConfig.Tracer = beside(cfg.ConnConfig.Tracer, &countTracer{counter: c})
}

// beside returns a tracer that calls both.
func beside(other, tracer pgx.QueryTracer) pgx.QueryTracer {
	if other == nil {
		return tracer
	}
	return multitracer.New(other, tracer)
}

// Statements returns the SQL texts in the order they were sent, begin and commit included. A COPY is "copy " and the
// table. What pgx prepares is not a statement of its own.
func (c *Counter) Statements() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.statements)
}

// Len returns the number of statements.
func (c *Counter) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.statements)
}

// Sends returns how often something was sent: a batch counts once, whatever it holds. It is the number of round trips
// once everything is prepared.
func (c *Counter) Sends() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sends
}

// Reset forgets what was recorded so far.
func (c *Counter) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statements, c.sends = nil, 0
}

func (c *Counter) record(statements ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statements = append(c.statements, statements...)
	c.sends++
}

// countTracer keeps pgx's hooks out of the counter's methods.
type countTracer struct {
	counter *Counter
}

func (t *countTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	t.counter.record(data.SQL)
	return ctx
}

func (*countTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart records the whole batch, because TraceBatchQuery is only called for results that are read.
func (t *countTracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	var statements []string
	for _, queued := range data.Batch.QueuedQueries {
		if !traced.TellsTenant(queued.SQL) || t.counter.settings.Load() {
			statements = append(statements, queued.SQL)
		}
	}
	t.counter.record(statements...)
	return ctx
}

func (*countTracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (*countTracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func (t *countTracer) TraceCopyFromStart(
	ctx context.Context, _ *pgx.Conn, data pgx.TraceCopyFromStartData,
) context.Context {
	t.counter.record("copy " + strings.Join(data.TableName, "."))
	return ctx
}

func (*countTracer) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}
