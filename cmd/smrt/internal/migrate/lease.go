package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

// Lease says how runners keep out of each other's way.
type Lease struct {
	Length    time.Duration // whole seconds; how long a runner that died is in the way. Default: 30 s
	Heartbeat time.Duration // how often the runner says that it lives. Default: a sixth of Length
	Interval  time.Duration // how often one that waits asks. Default: 1 s
	Wait      time.Duration // how long it waits. Default: 10 min
}

// withDefaults fills what is 0.
func (l Lease) withDefaults() Lease {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&l.Length, 30*time.Second)
	set(&l.Heartbeat, l.Length/6)
	set(&l.Interval, time.Second)
	set(&l.Wait, 10*time.Minute)
	return l
}

// errLeaseLost is the error of a runner that was taken for dead.
var errLeaseLost = errors.New("another runner has taken the lease, because this one did not renew it in time")

// errNoLease is the error of a runner that has waited for another.
var errNoLease = errors.New("no lease")

// locker is goose's lock in a table, with a look at who has it. An advisory lock would
// be none on servers that only pretend to have them, and behind poolers.
type locker struct {
	lock.Locker
	wait    time.Duration
	waits   func(holder string)                         // called when another runner has the lease
	held    func(ctx context.Context, db *sql.DB) error // called when the lease was taken
	release func(ctx context.Context, db *sql.DB) error // called before it is given up

	mu    sync.Mutex
	owner string // the name under which goose holds the lease
}

func newLocker(l Lease) (*locker, error) {
	tries := uint64(math.Ceil(float64(l.Wait) / float64(l.Interval)))
	table, err := lock.NewPostgresTableLocker(lock.WithTableLeaseDuration(l.Length), lock.WithTableHeartbeatInterval(l.Heartbeat),
		lock.WithTableLockTimeout(l.Interval, max(tries, 1)), lock.WithTableUnlockTimeout(l.Interval, 3))
	return &locker{Locker: table, wait: l.Wait}, err
}

// Lock takes the lease.
func (l *locker) Lock(ctx context.Context, db *sql.DB) error {
	var holder sql.NullString
	err := db.QueryRowContext(ctx, "SELECT locked_by FROM "+lock.DefaultLockTableName+" WHERE locked AND lease_expires_at > now() AND lock_id = $1",
		lock.DefaultLockID).Scan(&holder)
	if err == nil { // else there is no table yet, or nobody holds it
		l.waits(holder.String)
	}
	if err := l.Locker.Lock(ctx, db); err != nil {
		if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) { // not one that another runner has
			return fmt.Errorf("taking the lease, in the table %s: %w", lock.DefaultLockTableName, err)
		}
		return fmt.Errorf("%w within %v: %w", errNoLease, l.wait, err)
	}
	if err := l.taken(ctx, db); err != nil {
		return errors.Join(err, l.Locker.Unlock(ctx, db))
	}
	return nil
}

// taken reads under which name goose holds the lease.
func (l *locker) taken(ctx context.Context, db *sql.DB) error {
	l.mu.Lock()
	err := db.QueryRowContext(ctx, "SELECT coalesce(locked_by, '') FROM "+lock.DefaultLockTableName+" WHERE lock_id = $1", lock.DefaultLockID).Scan(&l.owner)
	l.mu.Unlock()
	if err != nil {
		return err
	}
	return l.held(ctx, db)
}

// Unlock gives the lease up.
func (l *locker) Unlock(ctx context.Context, db *sql.DB) error {
	err := l.check(ctx, db)
	if err == nil {
		err = l.release(ctx, db)
	}
	if errors.Is(err, errLeaseLost) {
		_ = l.Locker.Unlock(ctx, db) // there is nothing to give up, only a heartbeat to end
		return err
	}
	return errors.Join(err, l.Locker.Unlock(ctx, db))
}

// check returns errLeaseLost if the lease is another's. In a transaction, nobody can
// take the lease until its end.
func (l *locker) check(ctx context.Context, db database.DBTxConn) error {
	l.mu.Lock()
	owner := l.owner
	l.mu.Unlock()
	var one int
	err := db.QueryRowContext(ctx, "SELECT 1 FROM "+lock.DefaultLockTableName+" WHERE lock_id = $1 AND locked AND locked_by = $2 FOR SHARE",
		lock.DefaultLockID, owner).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return errLeaseLost
	}
	return err
}

// store is goose's table of versions, which records one only while the lease is held.
type store struct {
	database.StoreExtender
	locker *locker
}

func newStore(table string, l *locker) (*store, error) {
	s, err := database.NewStore(database.DialectPostgres, table)
	if err != nil {
		return nil, err
	}
	extended, ok := s.(database.StoreExtender)
	if !ok {
		return nil, errors.New("goose's table of versions cannot say whether it is there")
	}
	return &store{StoreExtender: extended, locker: l}, nil
}

// Insert records a version, in the transaction of its migration or in one of its own.
func (s *store) Insert(ctx context.Context, db database.DBTxConn, req database.InsertRequest) (err error) {
	if req.Version == 0 { // which is recorded with the table, before there is a lease
		return s.StoreExtender.Insert(ctx, db, req)
	}
	if begins, ok := db.(beginner); ok {
		return inTransaction(ctx, begins, func(tx *sql.Tx) error { return s.insert(ctx, tx, req) })
	}
	return s.insert(ctx, db, req)
}

func (s *store) insert(ctx context.Context, db database.DBTxConn, req database.InsertRequest) error {
	err := s.locker.check(ctx, db)
	if err == nil {
		err = forget(ctx, db, req.Version)
	}
	if err == nil {
		err = s.StoreExtender.Insert(ctx, db, req)
	}
	return hidden(err)
}

// beginner is what is no transaction yet.
type beginner interface {
	BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error)
}

// inTransaction commits what fn does, if it returns nil.
func inTransaction(ctx context.Context, db beginner, fn func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// applied returns the versions that are recorded, in the order in which they were. It
// makes no table where there is none.
func (s *store) applied(ctx context.Context, db *sql.DB) (versions []int64, err error) {
	if there, err := s.TableExists(ctx, db); err != nil || !there {
		if pooler := (*PoolerError)(nil); errors.As(err, &pooler) {
			return nil, pooler
		}
		if lost := (*pgconn.ConnectError)(nil); errors.As(err, &lost) {
			return nil, lost // which is not about the table
		}
		return nil, err
	}
	recorded, err := s.ListMigrations(ctx, db)
	if err != nil {
		return nil, err
	}
	for i := len(recorded) - 1; i >= 0; i-- {
		if recorded[i].Version > 0 {
			versions = append(versions, recorded[i].Version)
		}
	}
	return versions, nil
}
