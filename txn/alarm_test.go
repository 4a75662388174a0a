package txn_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// TestAlarm proves that a COMMIT is limited by its own CommitTimeout whatever the one before it on the same connection
// had, and that the alarm of one that was in time cuts nobody else's.
func TestAlarm(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1), testdb.Direct())
	_, err := b.Exec(t.Context(), `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(NEW.name::float8); RETURN NULL; END';
		CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON names DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()`)
	check.NoError(t, err)
	slow := func(seconds string, limit time.Duration, track bool) error {
		return txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error { return name(ctx, tx, seconds) },
			txn.Options{CommitTimeout: limit, TrackPosition: track})
	}
	check.NoError(t, slow("0", time.Minute, false))
	for _, track := range []bool{false, true} {
		start := time.Now()
		check.Error(t, "shorter than the one before", slow("3", 50*time.Millisecond, track), smrt.ErrCommitUnknown)
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %v", took)
		}
		b.balance(t, 1)
		opened := b.Stat().NewConnsCount()
		check.NoError(t, slow("0.0", 50*time.Millisecond, track))
		time.Sleep(30 * time.Millisecond)
		check.NoError(t, slow("0.04", 50*time.Millisecond, track)) // still under way when the first alarm goes off
		time.Sleep(60 * time.Millisecond)
		check.NoError(t, slow("0.1", time.Minute, track))
		check.Same(t, "connections opened", b.Stat().NewConnsCount(), opened)
		_, err := b.Exec(t.Context(), "DELETE FROM names")
		check.NoError(t, err)
	}
}
