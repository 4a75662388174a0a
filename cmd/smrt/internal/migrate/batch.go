package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The sizes of batches, in rows.
const (
	firstSize = 100
	mostSize  = 100_000
)

// batches is a backfill that runs.
type batches struct {
	runner  *Runner
	file    *File
	conn    *sql.Conn
	key     keyOf
	last    sql.NullString // key up to which rows are changed
	seen    int64          // rows up to there
	changed int64          // rows that the statement changed
	size    int64          // of the next batch

	began    time.Time // this run
	before   int64     // rows seen by earlier runs
	reported time.Time
}

// backfill runs a file in batches. It goes on where an earlier run ended: each batch
// is committed together with the key that it ended at.
func (r *Runner) backfill(ctx context.Context, db *sql.DB, f *File) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	b := &batches{runner: r, file: f, conn: conn, size: firstSize, began: time.Now()}
	if b.key, err = f.batches.keyOf(ctx, conn); err != nil {
		return err
	}
	if err := b.resume(ctx); err != nil {
		return err
	}
	for more := true; more; {
		if err := b.wait(ctx); err != nil {
			return err
		}
		if more, err = b.batch(ctx); err != nil {
			return err
		}
	}
	b.report(time.Time{})
	return nil
}

// resume reads how far earlier runs came.
func (b *batches) resume(ctx context.Context) error {
	var there bool
	if err := b.conn.QueryRowContext(ctx, "SELECT to_regclass('smrt_backfill') IS NOT NULL").Scan(&there); err != nil {
		return err
	}
	if !there {
		_, err := b.conn.ExecContext(ctx, checkpoints)
		return err
	}
	err := b.read(ctx)
	if b.before = b.seen; b.last.Valid {
		b.runner.report(Event{Kind: Resumes, File: b.file.Name, Text: fmt.Sprintf("goes on behind %s %s, %d rows", strings.Join(b.file.batches.columns(), ", "), b.last.String, b.seen)})
	}
	return err
}

// read reads the checkpoint.
func (b *batches) read(ctx context.Context) error {
	b.last, b.seen, b.changed = sql.NullString{}, 0, 0
	err := b.conn.QueryRowContext(ctx, "SELECT last, seen, changed FROM smrt_backfill WHERE version = $1", b.file.Version).Scan(&b.last, &b.seen, &b.changed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// batch runs one batch until it succeeds or fails in a way that does not pass, and
// reports whether there may be another.
func (b *batches) batch(ctx context.Context) (more bool, err error) {
	for try := 1; ; try++ {
		began, done := time.Now(), step{}
		err := inTransaction(ctx, b.conn, func(tx *sql.Tx) (err error) {
			done, err = b.run(ctx, tx)
			return err
		})
		if err == nil && done.rows == 0 {
			return false, nil
		}
		if err == nil {
			b.last, b.seen, b.changed = done.last, b.seen+done.rows, b.changed+done.changed
			b.size = resize(b.size, time.Since(began), b.runner.opts.Batches.Target)
			b.report(began)
			return true, nil
		}
		if !isBlocked(err) || !b.runner.rest(ctx, b.file, b.runner.watcher.failed(b.runner.opts.Dir, b.file, err), try) {
			return false, err
		}
		b.size = max(b.size/2, 1) // fewer rows meet fewer locks
	}
}

// step is what a batch does.
type step struct {
	rows    int64          // changed or not
	last    sql.NullString // key of the last of them
	changed int64
}

// run changes the next rows, and moves the checkpoint with them.
func (b *batches) run(ctx context.Context, tx *sql.Tx) (s step, err error) {
	if err := b.runner.locker.check(ctx, tx); err != nil {
		return s, err
	}
	args := []any{b.size}
	if b.last.Valid {
		args = append(args, b.last.String)
	}
	err = tx.QueryRowContext(ctx, b.file.batches.next(b.key, b.last.Valid), args...).Scan(&s.rows, &s.last)
	if err != nil || s.rows == 0 {
		return s, err
	}
	args[0] = s.last.String
	result, err := tx.ExecContext(ctx, b.file.batches.statement(b.key, b.last.Valid), args...)
	if err != nil {
		return s, err
	}
	if s.changed, err = result.RowsAffected(); err != nil {
		return s, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO smrt_backfill (version, last, seen, changed, updated_at) VALUES ($1, $2, $3, $4, now())
		ON CONFLICT (version) DO UPDATE SET last = excluded.last, seen = excluded.seen, changed = excluded.changed, updated_at = now()`,
		b.file.Version, s.last.String, b.seen+s.rows, b.changed+s.changed)
	return s, err
}

// resize returns how many rows the next batch should have, so that it takes half
// the target, as times vary: at most twice as many as the last one, as few as needed.
func resize(size int64, took, target time.Duration) int64 {
	next := float64(size) * 0.5 * float64(target) / float64(max(took, time.Microsecond))
	return int64(min(max(next, 1), float64(2*size), mostSize))
}

// report says how far the backfill is, not more often than the server is asked
// elsewhere, and always at its end, when now is zero.
func (b *batches) report(now time.Time) {
	if !now.IsZero() && now.Sub(b.reported) < b.runner.opts.Poll {
		return
	}
	b.reported = now
	took := time.Since(b.began)
	rate := float64(b.seen-b.before) / max(took.Seconds(), 1e-6)
	text := fmt.Sprintf("%d rows seen, %d changed, %.0f a second", b.seen, b.changed, rate)
	e := Event{Kind: Works, File: b.file.Name, Took: took}
	if !now.IsZero() && b.key.rows > b.seen {
		text += fmt.Sprintf(", of about %d", b.key.rows)
		e.Left = left(b.seen-b.before, b.key.rows-b.seen, took)
	}
	e.Text = text
	b.runner.report(e)
}

// wait waits while a standby is far behind, or a transaction has been open for long:
// the dead rows of batches cannot be cleaned up while it is. What the role may not see
// of others does not count.
func (b *batches) wait(ctx context.Context) error {
	limits, said := b.runner.opts.Batches, false
	for {
		var lag, age float64
		err := b.conn.QueryRowContext(ctx, `SELECT coalesce((SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)) FROM pg_stat_replication), 0)::float8,
			coalesce((SELECT max(extract(epoch FROM clock_timestamp() - xact_start)) FROM pg_stat_activity
				WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = current_database()), 0)::float8`).Scan(&lag, &age)
		if err != nil {
			return err
		}
		why := ""
		switch {
		case lag > float64(limits.Lag):
			why = fmt.Sprintf("pauses: a standby is %.0f MiB behind", lag/(1<<20))
		case age > limits.Age.Seconds():
			why = fmt.Sprintf("pauses: a transaction has been open for %v", time.Duration(age*float64(time.Second)).Round(time.Second))
		default:
			return nil
		}
		if !said {
			b.runner.report(Event{Kind: Pauses, File: b.file.Name, Text: why})
		}
		if said = true; !sleep(ctx, b.runner.opts.Poll) {
			return ctx.Err()
		}
	}
}
