package seed

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// parallel is how many COPYs run at once. The server spends longer on a row than making it takes, so this is about the
// cores it may use; the one beyond two fills the gaps in which another waits for the disk.
const parallel = 3

// reportEvery is the number of rows between two reports of progress.
const reportEvery = 10_000

// table is how one table is filled.
type table struct {
	name    string
	columns []string
	// after names the tables that the rows refer to.
	after []string
	// The rows belong to things numbered from 1, as order lines do to orders, and are made thing by thing.
	things int
	total  int
	rows   func(first, last int) iter.Seq[[]any]
	// parts is the number of COPYs that share the work.
	parts int
}

// loader fills the tables of one database.
type loader struct {
	db       Target
	tables   []table
	filled   map[string]chan struct{} // closed when the table has all its rows
	progress Progress

	mu   sync.Mutex // guards the maps below, and the calls of progress
	left map[string]int
	done map[string]int
}

func newLoader(db Target, size Size, progress Progress) *loader {
	l := &loader{
		db:       db,
		tables:   tables(size),
		filled:   make(map[string]chan struct{}),
		progress: progress,
		left:     make(map[string]int),
		done:     make(map[string]int),
	}
	for _, t := range l.tables {
		l.filled[t.name] = make(chan struct{})
		l.left[t.name] = t.parts
	}
	return l
}

// copyAll fills all tables, each as soon as those it refers to are filled.
func (l *loader) copyAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	// Only a part that may start takes a slot: one that waited for others inside the slot could keep them out.
	slots := make(chan struct{}, parallel)
	for _, t := range l.tables {
		for n := range t.parts {
			group.Go(func() error {
				if err := l.await(ctx, t, slots); err != nil {
					return err
				}
				defer func() { <-slots }()
				return l.copyPart(ctx, t, n)
			})
		}
	}
	return group.Wait()
}

// await returns when the tables that t refers to are filled and a slot is free, which is then taken.
func (l *loader) await(ctx context.Context, t table, slots chan<- struct{}) error {
	for _, name := range t.after {
		select {
		case <-l.filled[name]:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// copyPart sends the n-th share of a table's rows.
func (l *loader) copyPart(ctx context.Context, t table, n int) error {
	first, last := t.things*n/t.parts+1, t.things*(n+1)/t.parts
	next, stop := iter.Pull(t.rows(first, last))
	defer stop()

	unreported := 0
	source := pgx.CopyFromFunc(func() ([]any, error) {
		row, ok := next()
		if !ok {
			return nil, nil
		}
		if unreported++; unreported == reportEvery {
			l.report(t, unreported)
			unreported = 0
		}
		return row, nil
	})
	if _, err := l.db.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, source); err != nil {
		return fmt.Errorf("seed: fill %s: %w", t.name, err)
	}
	l.report(t, unreported)
	l.finish(t)
	return nil
}

func (l *loader) report(t table, rows int) {
	if l.progress == nil || rows == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done[t.name] += rows
	l.progress(t.name, l.done[t.name], t.total)
}

// finish notes that a part is done; the last one of a table lets those start that refer to it.
func (l *loader) finish(t table) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left[t.name]--; l.left[t.name] == 0 {
		close(l.filled[t.name])
	}
}

// advanceSequences makes the next inserted row get the key after the last one that was written here.
func (l *loader) advanceSequences(ctx context.Context) error {
	for _, t := range l.tables {
		if t.columns[0] != "id" || t.name == "carts" {
			continue // its key is of other tables, or no number
		}
		// The name is one of the constants in tables. The setval of an empty table is a null and does nothing.
		_, err := l.db.Exec(ctx, fmt.Sprintf(`SELECT setval(pg_get_serial_sequence('%[1]s', 'id'), max(id)) FROM %[1]s`, t.name))
		if err != nil {
			return fmt.Errorf("seed: advance the sequence of %s: %w", t.name, err)
		}
	}
	return nil
}

// vacuum analyzes the tables for the planner. It also marks their rows as visible to all, which else the first queries
// would do, and without which no index answers alone.
func (l *loader) vacuum(ctx context.Context) error {
	names := make([]string, len(l.tables))
	for i, t := range l.tables {
		names[i] = t.name
	}
	if _, err := l.db.Exec(ctx, "VACUUM (ANALYZE) "+strings.Join(names, ", ")); err != nil {
		return fmt.Errorf("seed: analyze: %w", err)
	}
	return nil
}
