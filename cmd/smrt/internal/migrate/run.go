package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"

	"github.com/smrt-go/smrt/cmd/smrt/internal/annotation"
)

// Options say how to migrate.
type Options struct {
	DSN         string
	Dir         string        // of the migrations
	Table       string        // of goose's versions. Default: goose_db_version
	LockTimeout time.Duration // how long a statement waits for a lock. 0: as the server is set
	Lease       Lease
	Retry       Retry
	Poll        time.Duration // how often the server is asked how far it is. Default: 1 s
	Batches     Batches
	Report      func(Event) // told what happens; called by one goroutine at a time. nil: nobody
}

// Retry says how a migration that waited too long for a lock is repeated.
type Retry struct {
	Times       int           // Default: 10
	Least, Most time.Duration // the first and the longest pause, before it is shortened by chance. Default: 1 and 30 s
}

// Runner migrates one database.
type Runner struct {
	opts    Options
	files   []*File
	db      *sql.DB
	locker  *locker
	store   *store
	watcher *watcher
	current *File // that runs
	telling sync.Mutex
}

// Open reads the migrations. Connections are made when they are needed.
func Open(opts Options) (*Runner, error) {
	if err := IsFolder(opts.Dir); err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(opts.DSN)
	if err != nil {
		return nil, err
	}
	if opts.Retry.Times == 0 {
		opts.Retry.Times = 10
	}
	if opts.Retry.Most == 0 {
		opts.Retry.Least, opts.Retry.Most = time.Second, 30*time.Second
	}
	opts.Batches = opts.Batches.withDefaults()
	if opts.Poll == 0 {
		opts.Poll = time.Second
	}
	if opts.Table == "" {
		opts.Table = goose.DefaultTablename
	}
	r := &Runner{opts: opts, watcher: new(watcher)}
	if r.files, err = readFolder(os.DirFS(opts.Dir)); err != nil {
		return nil, err
	}
	if len(r.files) == 0 {
		return nil, fmt.Errorf("%s: %w", opts.Dir, errEmpty)
	}
	if r.locker, err = newLocker(opts.Lease.withDefaults()); err != nil {
		return nil, err
	}
	if r.store, err = newStore(opts.Table, r.locker); err != nil {
		return nil, err
	}
	r.locker.waits = func(holder string) {
		r.report(Event{Kind: Waits, File: r.current.Name, Text: "waits for the lease, which " + holder + " has"})
	}
	r.locker.held = func(ctx context.Context, db *sql.DB) error { return r.dropInvalid(ctx, db, r.current) }
	r.locker.release = r.locker.held
	r.db = open(config, opts, r.watcher)
	return r, nil
}

// open opens the connections that migrate. None is kept: with the session, all locks
// and settings end that a migration may have left behind.
func open(config *pgx.ConnConfig, opts Options, w *watcher) *sql.DB {
	config.Tracer = w
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // a pooler's next connection has not what was prepared, and a migration may DISCARD it
	if opts.LockTimeout > 0 {
		config.RuntimeParams["lock_timeout"] = strconv.FormatInt(milliseconds(opts.LockTimeout), 10)
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "smrt migrate"
	}
	db := sql.OpenDB(newConnector(config, opts.LockTimeout))
	db.SetMaxIdleConns(-1)
	return db
}

// PassedOver returns the files of the folder that look like migrations and are none to
// goose, because of their names. They are never run.
func (r *Runner) PassedOver() ([]string, error) { return passedOver(os.DirFS(r.opts.Dir)) }

// Close closes the connections.
func (r *Runner) Close() error { return r.db.Close() }

// report tells what happens.
func (r *Runner) report(e Event) {
	r.telling.Lock()
	defer r.telling.Unlock()
	if r.opts.Report != nil {
		r.opts.Report(e)
	}
}

// Applied is a migration and whether it was run.
type Applied struct {
	Version  int64  `json:"version"`
	File     string `json:"file"` // "" if the folder has none of this version
	Contract bool   `json:"contract"`
	Applied  bool   `json:"applied"`
}

// Status returns the migrations of the folder and of the database, by version. It
// changes nothing in the database.
func (r *Runner) Status(ctx context.Context) ([]Applied, error) {
	applied, err := r.store.applied(ctx, r.db)
	if err != nil {
		return nil, err
	}
	var all []Applied
	for _, f := range r.files {
		all = append(all, Applied{Version: f.Version, File: f.Name, Contract: f.Contract, Applied: slices.Contains(applied, f.Version)})
	}
	for _, v := range applied {
		if r.file(v) == nil {
			all = append(all, Applied{Version: v, Applied: true})
		}
	}
	slices.SortFunc(all, func(a, b Applied) int { return int(min(max(a.Version-b.Version, -1), 1)) })
	return slices.CompactFunc(all, func(a, b Applied) bool { return a.Version == b.Version }), nil
}

// file returns the file of a version, nil for none.
func (r *Runner) file(version int64) *File {
	for _, f := range r.files {
		if f.Version == version {
			return f
		}
	}
	return nil
}

// Plan returns the files that Up would run, in order, and those that wait for the
// contract phase.
func (r *Runner) Plan(ctx context.Context, target Target) (run, waiting []*File, err error) {
	applied, err := r.store.applied(ctx, r.db)
	if err != nil {
		return nil, nil, err
	}
	return plan(r.files, applied, target)
}

// Ran is a migration that was run.
type Ran struct {
	Version int64         `json:"version"`
	File    string        `json:"file"`
	Took    time.Duration `json:"took_ns"` // of the try that succeeded
	Tries   int           `json:"tries"`
	Other   bool          `json:"other"` // by another runner, meanwhile
}

// Run runs files, in their order. It stops at the first that fails; the error is an
// *Error then. What was run before stays.
func (r *Runner) Run(ctx context.Context, files []*File) (all []Ran, err error) {
	for _, f := range files {
		ran, err := r.run(ctx, f)
		if err != nil {
			return all, err
		}
		all = append(all, ran)
	}
	return all, nil
}

// run runs a file until it succeeds, or fails in a way that does not pass.
func (r *Runner) run(ctx context.Context, f *File) (Ran, error) {
	r.current = f
	if f.ends >= 0 {
		return Ran{}, &Error{File: filepath.Join(r.opts.Dir, f.Name), Line: f.script.Line(f.ends), Err: errRollback}
	}
	for try := 1; ; try++ {
		r.watcher.begin(f)
		r.report(Event{Kind: Begins, File: f.Name})
		result, err := r.try(ctx, f)
		if errors.Is(err, goose.ErrAlreadyApplied) {
			r.report(Event{Kind: Ends, File: f.Name, Text: "was run by another runner"})
			return Ran{Version: f.Version, File: f.Name, Tries: try, Other: true}, nil
		}
		if err == nil {
			r.report(Event{Kind: Ends, File: f.Name, Took: result.Duration})
			return Ran{Version: f.Version, File: f.Name, Took: result.Duration, Tries: try}, nil
		}
		if problem := (*annotation.Error)(nil); errors.As(err, &problem) {
			return Ran{}, problem // which has its place
		}
		failed := r.watcher.failed(r.opts.Dir, f, err)
		if ctx.Err() != nil {
			failed.Err = interrupted{errors.Join(ctx.Err(), err)} // database/sql may say only that the transaction is over
		}
		if errors.As(err, new(hiddenError)) {
			failed.Line = SetsPath(f.script.Text)
		}
		again, hint := r.again(f, err)
		if !again || !r.rest(ctx, f, failed, try) {
			failed.Hint = hint
			return Ran{}, failed
		}
	}
}

// errRollback is the error of a file that would be recorded and leave nothing.
var errRollback = errors.New("ROLLBACK gives up the transaction of the file, which would be recorded as run all the same: " +
	"leave it out, or give the file -- +goose NO TRANSACTION")

// interrupted is the error of what was cancelled. What failed then followed from that.
type interrupted struct{ error }

func (interrupted) Error() string { return "interrupted" }

func (e interrupted) Unwrap() error { return e.error }

// rest waits before what failed is tried again, and reports whether it may be.
func (r *Runner) rest(ctx context.Context, f *File, failed *Error, try int) bool {
	if try > r.opts.Retry.Times || ctx.Err() != nil {
		return false
	}
	pause := r.opts.Retry.pause(try)
	r.report(Event{Kind: Repeats, File: f.Name, Line: failed.Line, Text: failed.Err.Error(), Left: pause})
	return sleep(ctx, pause)
}

// sleep waits, and reports whether it was not cancelled.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// try runs a file once. Afterwards nothing is held: no lock, no session, no lease.
func (r *Runner) try(ctx context.Context, f *File) (*goose.MigrationResult, error) {
	options := []goose.ProviderOption{
		goose.WithStore(r.store), goose.WithLocker(r.locker), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()),
	}
	var folder fs.FS = oneFile{os.DirFS(r.opts.Dir), f.Name}
	if f.batches != nil {
		folder = nil
		options = append(options, goose.WithGoMigrations(goose.NewGoMigration(f.Version, &goose.GoFunc{
			RunDB: func(ctx context.Context, db *sql.DB) error { return r.backfill(ctx, db, f) },
		}, nil)))
	}
	provider, err := goose.NewProvider(goose.DialectCustom, r.db, folder, options...)
	if err != nil {
		return nil, err
	}
	stop := r.watch(ctx, f)
	defer stop()
	result, err := provider.ApplyVersion(ctx, f.Version, true)
	var partial *goose.PartialError
	if errors.As(err, &partial) && partial.Err != nil {
		return result, unlocked(err, partial)
	}
	return result, unparsed(err)
}

// unlocked returns what failed without goose's words around it, unless giving up the
// lease failed too.
func unlocked(err error, partial *goose.PartialError) error {
	if err == error(partial) { //nolint:errorlint // wrapped, it says more
		return partial.Err
	}
	return err
}

// again reports whether a file that failed may succeed if it is repeated, and what its
// user should know if it is not.
func (r *Runner) again(f *File, err error) (again bool, hint string) {
	if errors.Is(err, errLeaseLost) {
		return true, "run it again"
	}
	if errors.Is(err, errNoLease) {
		return false, "another runner has it: wait for longer, with --wait, or look for the one that the table goose_lock names"
	}
	if errors.As(err, new(hiddenError)) {
		return false, HiddenHint
	}
	if errors.As(err, new(*ParseError)) {
		return false, f.unreadable()
	}
	pg := (*pgconn.PgError)(nil)
	errors.As(err, &pg)
	blocked := isBlocked(err)
	switch {
	case f.batches != nil:
		return false, "what was committed stays, and the next run goes on behind it"
	case blocked && f.single && !r.watcher.repeatable():
		return false, "the file has no transaction, so statements before this one, or a part of it, were run: make them repeatable with IF [NOT] EXISTS, or give each a file"
	case blocked:
		return true, "the lock was not free within lock_timeout in any try: find who holds it in pg_locks, or run it when there is less to do"
	case !f.single && pg != nil && pg.Code == "25001": // active_sql_transaction
		return false, "give it a file with -- +goose NO TRANSACTION"
	case pg != nil && pg.Code == "55P04": // unsafe_new_enum_value_usage
		return false, "give the ALTER TYPE ... ADD VALUE a file of its own"
	case f.single && pg != nil && slices.Contains(known, pg.Code):
		return false, "the file has no transaction, and an earlier run may have ended in the middle of it: make its statements repeatable with IF NOT EXISTS, or give each a file"
	}
	for _, other := range r.files {
		if other.Contract && other.Version < f.Version && pg != nil && slices.Contains(known, pg.Code) {
			return false, "if it needs " + other.Name + ", which is of the contract phase, run that before, with --phase contract"
		}
	}
	return false, ""
}

// isBlocked reports whether a statement failed because of what another transaction held.
func isBlocked(err error) bool {
	pg := (*pgconn.PgError)(nil)
	return errors.As(err, &pg) && (pg.Code == "55P03" || pg.Code == "40P01") // lock_not_available, deadlock_detected
}

// known are the SQLSTATEs of columns, tables and other objects that are there already,
// or are not there any more.
var known = []string{"42701", "42710", "42P07", "42P06", "42723", "42703", "42P01", "42704"}

// pause returns how long to wait after a try: twice as long each time, shortened by
// chance, so that runners that failed together do not meet again.
func (t Retry) pause(try int) time.Duration {
	d := t.Least << min(try-1, 20)
	if d > t.Most || d <= 0 {
		d = t.Most
	}
	return max(d/2+rand.N(d/2+1), min(t.Least, d))
}

// oneFile is a folder in which goose sees one migration.
type oneFile struct {
	fs.FS
	name string
}

// Glob returns the name if it matches.
func (o oneFile) Glob(pattern string) ([]string, error) {
	ok, err := fs.Glob(o.FS, pattern)
	if slices.Contains(ok, o.name) {
		return []string{o.name}, err
	}
	return nil, err
}
