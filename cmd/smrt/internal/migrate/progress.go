package migrate

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Kind is what an Event is.
type Kind string

// The kinds.
const (
	Begins  Kind = "begins"  // a try of a file
	Ends    Kind = "ends"    // a file was run
	Repeats Kind = "repeats" // a try failed; after Left there is another
	Waits   Kind = "waits"   // for the lease, or for a lock
	Works   Kind = "works"   // at something that the server counts; Left says how long
	Dropped Kind = "dropped" // an invalid index
)

// Event is something that happens while a file is run.
type Event struct {
	Kind Kind
	File string
	Line int
	Text string
	Took time.Duration
	Left time.Duration // 0 if unknown
}

// progressSQL asks who blocks a server process, and how far it is with an index.
const progressSQL = `SELECT coalesce((SELECT string_agg(format('process %s (%s, %s, in a transaction for %s s)', b.pid, coalesce(nullif(b.application_name, ''), 'no name'),
		coalesce(b.state, 'unknown'), coalesce(round(extract(epoch FROM clock_timestamp() - b.xact_start))::text, '?')), ', ' ORDER BY b.pid)
		FROM pg_stat_activity b WHERE b.pid = ANY (pg_blocking_pids($1::int))), ''),
	coalesce(p.phase, ''), coalesce(p.blocks_done, 0), coalesce(p.blocks_total, 0), coalesce(p.tuples_done, 0), coalesce(p.tuples_total, 0)
	FROM (SELECT 1) AS one LEFT JOIN pg_stat_progress_create_index p ON p.pid = $1::int`

// watch reports what a file waits for and how far it is, until stop is called. It has
// a connection of its own, made when the file takes longer than one Poll.
func (r *Runner) watch(ctx context.Context, f *File) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		ticker := time.NewTicker(r.opts.Poll)
		defer ticker.Stop()
		p := progress{runner: r, file: f}
		defer p.close()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				p.ask(ctx)
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// progress is what is known of a file that runs.
type progress struct {
	runner  *Runner
	file    *File
	conn    *pgx.Conn
	blocked string
	phase   string
	since   time.Time // when the phase began
	first   int64     // what was done then
}

func (p *progress) close() {
	if p.conn != nil {
		_ = p.conn.Close(context.Background())
	}
}

// ask asks the server once. Errors are left to the connection that migrates.
func (p *progress) ask(ctx context.Context) {
	pid := p.runner.watcher.process()
	if pid == 0 {
		return
	}
	if p.conn == nil || p.conn.IsClosed() {
		conn, err := pgx.Connect(ctx, p.runner.opts.DSN)
		if err != nil {
			return
		}
		p.conn = conn
	}
	var blocked, phase string
	var blocks, allBlocks, tuples, allTuples int64
	if p.conn.QueryRow(ctx, progressSQL, int64(pid)).Scan(&blocked, &phase, &blocks, &allBlocks, &tuples, &allTuples) != nil {
		return
	}
	if blocked != "" && blocked != p.blocked {
		p.runner.report(Event{Kind: Waits, File: p.file.Name, Text: "waits for a lock of " + blocked})
	}
	p.blocked = blocked
	if allBlocks > 0 {
		p.work(phase, blocks, allBlocks)
	} else if allTuples > 0 {
		p.work(phase, tuples, allTuples)
	}
}

// work reports how far the server is with an index.
func (p *progress) work(phase string, done, all int64) {
	if phase != p.phase || done < p.first {
		p.phase, p.since, p.first = phase, time.Now(), done
	}
	p.runner.report(Event{
		Kind: Works, File: p.file.Name, Text: fmt.Sprintf("%s: %d %%", strings.ToLower(phase), done*100/all),
		Took: time.Since(p.since), Left: left(done-p.first, all-done, time.Since(p.since)),
	})
}

// left returns how long the rest takes at the speed so far, 0 if that is unknown.
func left(done, rest int64, took time.Duration) time.Duration {
	if done <= 0 || rest <= 0 {
		return 0
	}
	return time.Duration(float64(took) * float64(rest) / float64(done)).Round(time.Second)
}
