package migrate_test

import (
	"strings"
	"testing"

	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/internal/check"
)

// TestIndexProgress stops an index twice while it is built, until the runner has said
// how far it is, and how much time is left.
func TestIndexProgress(t *testing.T) {
	f := newFixture(t, "1_index CREATE INDEX notes_slow ON notes (slow(id));")
	f.exec(`CREATE TABLE notes (id int); INSERT INTO notes SELECT generate_series(1, 5000);
		CREATE FUNCTION slow(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
		BEGIN
			IF id IN (2000, 4000) THEN PERFORM pg_advisory_xact_lock(id); END IF;
			RETURN id;
		END $$`)
	holder := check.Value(f.pool.Acquire(t.Context()))(t)
	defer holder.Release()
	check.Value(holder.Exec(t.Context(), "SELECT pg_advisory_lock(2000), pg_advisory_lock(4000)"))(t)
	open := map[string]bool{}
	release := func(id string) {
		if !open[id] {
			open[id] = true
			check.Value(holder.Exec(t.Context(), "SELECT pg_advisory_unlock("+id+")"))(t)
		}
	}
	f.opts.LockTimeout = 0
	f.opts.Report = func(e migrate.Event) {
		switch {
		case e.Kind != migrate.Works || !strings.HasPrefix(e.Text, "building index: scanning table: "):
		case e.Left > 0:
			release("2000")
			release("4000")
		case !strings.HasSuffix(e.Text, ": 0 %"):
			release("2000")
		}
	}
	check.Value(up(t.Context(), f.runner()))(t)
	check.Equal(t, "what the runner said", open, map[string]bool{"2000": true, "4000": true})
}
