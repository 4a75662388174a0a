package txn_test

import (
	"context"
	"errors"
	"fmt"
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
		check.Error(t, "shorter than the one before", slow("120", 50*time.Millisecond, track), smrt.ErrCommitUnknown)
		if took := time.Since(start); took > testdb.Patience(time.Second) {
			t.Errorf("took %v", took)
		}
		for limit := 50 * time.Millisecond; ; limit *= 2 {
			opened, err := inTime(t, b, slow, limit, track)
			if err == nil && opened == 0 {
				break
			}
			if limit > testdb.Patience(time.Second) {
				t.Fatalf("commits in time with a limit of %v: %v, %d connections opened", limit, err, opened)
			}
		}
	}
}

// inTime runs three COMMITs of one connection that are within their limits, the
// second of which is under way when the alarm of the first would go off. A slow
// machine can be too late even so: with a limit that is long enough it is not.
func inTime(
	t *testing.T, b *bank, slow func(string, time.Duration, bool) error, limit time.Duration, track bool,
) (opened int64, err error) {
	t.Helper()
	b.balance(t, 1)
	before := b.Stat().NewConnsCount()
	err = slow("0.0", limit, track)
	time.Sleep(limit * 3 / 5)
	err = errors.Join(err, slow(fmt.Sprint((limit*4/5).Seconds()), limit, track))
	time.Sleep(limit * 6 / 5)
	err = errors.Join(err, slow("0.1", time.Minute, track))
	opened = b.Stat().NewConnsCount() - before
	_, deleted := b.Exec(t.Context(), "DELETE FROM names")
	check.NoError(t, deleted)
	return opened, err
}
