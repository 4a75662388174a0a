package testdb

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// grace is how long connections may take to come back after a test: a cancelled query, say, is still being cleaned up
// when its caller has returned.
const grace = 500 * time.Millisecond

// close releases everything and returns what the test left behind.
func (d *database) close() []string {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	problems, err := d.leaks(ctx)
	if err != nil {
		problems = append(problems, fmt.Sprintf("check for leaks: %v", err))
	}
	if d.pool.Stat().AcquiredConns() == 0 {
		d.pool.Close()
	} else {
		// Close waits for connections that will never come back. The test has failed, so nobody counts goroutines.
		go d.pool.Close()
	}
	if err := d.host.DropDatabase(ctx, d.name); err != nil {
		problems = append(problems, err.Error())
	}
	return problems
}

// leaks waits until nothing is held any more, or the grace is over.
func (d *database) leaks(ctx context.Context) (problems []string, err error) {
	err = d.host.withAdmin(ctx, func(conn *pgx.Conn) error {
		deadline := time.Now().Add(Patience(grace))
		for wait := time.Millisecond; ; wait *= 2 {
			problems, err = d.held(ctx, conn)
			if err != nil || len(problems) == 0 || time.Now().After(deadline) {
				return err
			}
			time.Sleep(wait)
		}
	})
	return problems, err
}

// held returns one sentence for the acquired connections and one per open transaction.
func (d *database) held(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	var problems []string
	if n := d.pool.Stat().AcquiredConns(); n > 0 {
		problems = append(problems, fmt.Sprintf("%d connections of the pool are still acquired: "+
			"rows not closed, a transaction not ended, or Acquire without Release", n))
	}
	rows, err := conn.Query(ctx, `select format('backend %s is %s, its last statement: %s', pid, state, query)
		from pg_stat_activity where datname = $1 and state like 'idle in transaction%' order by pid`, d.name)
	if err != nil {
		return nil, err
	}
	open, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return append(problems, open...), err
}
