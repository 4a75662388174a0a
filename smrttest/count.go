package smrttest

import (
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/testdb"
)

// Counter records what connections sent. The zero value is ready to use with [Count]. It must not be copied, and is safe
// for concurrent use.
type Counter struct {
	engine testdb.Counter
}

// Count lets the pool's connections report to c, beside a tracer that the pool may have. One counter may serve many
// pools.
//
//	var sent smrttest.Counter
//	pool := smrttest.Pool(t, schema, smrttest.Count(&sent))
func Count(c *Counter) Option { return Configure(c.Attach) }

// Attach is [Count] for a pool that is not opened by [Pool]: call it on the pool's configuration.
func (c *Counter) Attach(cfg *pgxpool.Config) { c.engine.Attach(cfg) }

// Statements returns the SQL texts in the order they were sent, begin and commit included. A COPY is "copy " and the
// table. What pgx prepares is not a statement of its own, and what tells row security the tenant is none of the program's.
func (c *Counter) Statements() []string { return c.engine.Statements() }

// Len returns the number of statements.
func (c *Counter) Len() int { return c.engine.Len() }

// RoundTrips returns how often something was sent and waited for: a batch counts once, whatever it holds. What pgx
// prepares before a statement is first used is not counted.
func (c *Counter) RoundTrips() int { return c.engine.Sends() }

// Reset forgets what was recorded so far, such as what prepared the test.
func (c *Counter) Reset() { c.engine.Reset() }
