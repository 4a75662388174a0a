package seed

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

//go:embed seed.sql
var script string

// parallel is how many statements run at once.
const parallel = 3

// scratch is the schema of what the statements share; it is dropped at the end.
const scratch = "seed"

// step is a statement of the script, which fills a table or prepares it.
type step struct {
	name  string
	after []string
	sql   string
	done  chan struct{} // closed when it has ended without an error
}

// steps returns what script consists of.
func (s Size) steps() map[string]*step {
	sizes := strings.NewReplacer("$products", strconv.Itoa(s.Products), "$customers", strconv.Itoa(s.Customers),
		"$orders", strconv.Itoa(s.Orders), "$carts", strconv.Itoa(s.Carts))
	all := map[string]*step{}
	for _, part := range strings.Split(script, "\n-- fill: ")[1:] {
		head, sql, _ := strings.Cut(part, "\n")
		name, after, _ := strings.Cut(head, " after: ")
		all[name] = &step{name, strings.Fields(after), sizes.Replace(sql), make(chan struct{})}
	}
	return all
}

// isTable reports whether the step fills one of the shop's tables.
func (s *step) isTable() bool { return s.name != scratch && s.name != "lines" }

// loader fills the tables of one database.
type loader struct {
	db    Target
	steps map[string]*step
	slots chan struct{}

	mu   sync.Mutex // guards rows
	rows map[string]int64
}

// run runs all steps, each as soon as those it comes after have ended.
func (l *loader) run(ctx context.Context) error {
	if err := l.drop(ctx); err != nil { // what a load that was killed has left
		return err
	}
	group, part := errgroup.WithContext(ctx)
	for _, s := range l.steps {
		group.Go(func() error { return l.fill(part, s) })
	}
	return errors.Join(group.Wait(), l.drop(context.WithoutCancel(ctx)))
}

func (l *loader) fill(ctx context.Context, s *step) error {
	for _, name := range s.after {
		select {
		case <-l.steps[name].done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	// Only a step that may start takes a slot: one that waited for others inside
	// the slot could keep them out.
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.slots }()
	tag, err := l.db.Exec(ctx, s.sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return fmt.Errorf("seed: fill %s: %w", s.name, err)
	}
	if s.isTable() {
		l.mu.Lock()
		l.rows[s.name] = tag.RowsAffected()
		l.mu.Unlock()
	}
	close(s.done)
	return nil
}

func (l *loader) drop(ctx context.Context) error {
	_, err := l.db.Exec(ctx, "DROP SCHEMA IF EXISTS "+scratch+" CASCADE")
	return err
}

// finish makes the next inserted row get the key after the last one that was
// written here, and leaves statistics for the planner. It also marks rows as
// visible to all, which else the first queries would do, and without which no
// index answers alone.
func (l *loader) finish(ctx context.Context) error {
	var names []string
	for name := range l.rows {
		names = append(names, name)
	}
	// The setval of an empty table is a null and does nothing.
	_, err := l.db.Exec(ctx, `DO $$
		DECLARE key record;
		BEGIN
			FOR key IN SELECT attrelid::regclass AS tab, attname AS col FROM pg_attribute
				WHERE attidentity <> '' AND attrelid = ANY (ARRAY['`+strings.Join(names, "', '")+`']::regclass[]) LOOP
				EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, %L), max(%I)) FROM %s', key.tab, key.col, key.col, key.tab);
			END LOOP;
		END $$`)
	if err != nil {
		return fmt.Errorf("seed: advance the sequences: %w", err)
	}
	if _, err := l.db.Exec(ctx, "VACUUM (ANALYZE) "+strings.Join(names, ", ")); err != nil {
		return fmt.Errorf("seed: analyze: %w", err)
	}
	return nil
}
