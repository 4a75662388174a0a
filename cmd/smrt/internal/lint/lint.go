package lint

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/smrt-go/smrt/cmd/smrt/internal/annotation"
	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
)

// Options is what to judge, and where.
type Options struct {
	Dir      string             // of goose's migrations
	DSN      string             // of a database without tables, in which they are run
	From     int64              // the migrations up to this version are run and not judged
	Releases []migrate.Contract // of releases that still run
	Timeout  time.Duration      // lock_timeout of whoever runs them in earnest, 0 for none
}

// Result is what was found.
type Result struct {
	Findings   []Finding `json:"findings"`   // never nil
	Allowed    []Finding `json:"allowed"`    // those that annotations allow; never nil
	Migrations int       `json:"migrations"` // that were run
	Judged     int       `json:"judged"`     // of these
	Stopped    string    `json:"stopped"`    // the file behind which none was run, "" if all were

	gone   map[[2]string]*statement // tables and columns that are not there in the end
	judged []*migration
}

// ErrNotEmpty is the error of a scratch database that has tables.
var ErrNotEmpty = errors.New("the scratch database has tables: name an empty one, which migrations may be run in")

// Run runs the migrations and judges them. The database is left with their tables.
func Run(ctx context.Context, o Options) (result *Result, err error) {
	ask, err := pgx.Connect(ctx, o.DSN)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ask.Close(context.WithoutCancel(ctx))) }()
	if old, err := tables(ctx, ask); err != nil || len(old) > 0 {
		return nil, errors.Join(err, notEmpty(old))
	}
	r := &run{Options: o, ask: ask, fsys: os.DirFS(o.Dir), result: Result{Findings: []Finding{}, Allowed: []Finding{}}}
	r.judge.first = make(map[uint32]*statement)
	r.replaced.gone = make(map[[2]string]*statement)
	r.releases = releases{all: o.Releases, by: make(map[need]*statement)}
	r.watcher = &watcher{ask: ask, see: r.see, end: r.judge.finish}
	if err := r.open(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.db.Close()) }()
	if err := r.all(ctx); err != nil {
		return nil, err
	}
	return &r.result, nil
}

// NoVersionError is of a version from which migrations are to be judged, and of which
// there is none. Behind the last one nothing would be judged.
type NoVersionError struct{ Version int64 }

func (e *NoVersionError) Error() string {
	return fmt.Sprintf("there is no migration of version %d", e.Version)
}

func notEmpty(old map[uint32]*table) error {
	if len(old) == 0 {
		return nil
	}
	return ErrNotEmpty
}

// run is one run.
type run struct {
	Options
	ask      *pgx.Conn
	fsys     fs.FS
	db       *sql.DB
	provider *goose.Provider
	watcher  *watcher
	judge    judge
	history  *history
	releases releases
	replaced replaced
	judged   []*migration
	current  *migration
	result   Result
}

// migration is a migration that is judged.
type migration struct {
	file       *file
	statements []*statement
	findings   []Finding
}

// open connects goose by one connection, which is watched.
func (r *run) open() error {
	config, err := pgx.ParseConfig(r.DSN)
	if err != nil {
		return err
	}
	config.Tracer, config.OnNotice = r.watcher, r.watcher.notice
	config.RuntimeParams["client_min_messages"] = "debug1"
	if r.Timeout > 0 {
		config.RuntimeParams["lock_timeout"] = strconv.FormatInt(max(1, r.Timeout.Milliseconds()), 10)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // a migration may DISCARD what was prepared
	r.db = stdlib.OpenDB(*config)
	r.db.SetMaxOpenConns(1)
	if r.provider, err = goose.NewProvider(goose.DialectPostgres, r.db, r.fsys); err != nil {
		return errors.Join(fmt.Errorf("migrations in %s: %w", r.Dir, err), r.db.Close())
	}
	return nil
}

// all runs all migrations and collects what was found.
func (r *run) all(ctx context.Context) error {
	sources := r.provider.ListSources()
	if r.From != 0 && !slices.ContainsFunc(sources, func(s *goose.Source) bool { return s.Version == r.From }) {
		return &NoVersionError{r.From}
	}
	for _, source := range sources {
		err := r.one(ctx, source)
		if errors.Is(err, errStop) {
			r.result.Stopped = r.current.file.path
			break
		}
		if err != nil {
			return err
		}
		r.result.Migrations++
	}
	if r.history == nil {
		return nil
	}
	last := r.history.findings()
	for _, m := range r.judged {
		for _, f := range last {
			if f.File == m.file.path {
				m.findings = append(m.findings, f)
			}
		}
		left, allowed := allow(m, sorted(m.findings), func(rule string) bool {
			return rule != Declared && (rule != Contract || len(r.Releases) > 0)
		})
		r.result.Findings, r.result.Allowed = append(r.result.Findings, left...), append(r.result.Allowed, allowed...)
	}
	r.result.Findings = append(r.result.Findings, r.releases.unfit()...)
	r.result.Findings, r.result.Allowed = sorted(r.result.Findings), sorted(r.result.Allowed)
	r.result.Judged, r.result.gone, r.result.judged = len(r.judged), r.replaced.gone, r.judged
	return nil
}

// one runs one migration.
func (r *run) one(ctx context.Context, source *goose.Source) error {
	if source.Version > r.From {
		if err := r.begin(ctx, source); err != nil {
			return err
		}
	}
	_, err := r.provider.ApplyVersion(ctx, source.Version, true)
	r.watcher.file = nil
	if partial := (*goose.PartialError)(nil); errors.As(err, &partial) && partial.Err != nil {
		err = partial.Err // without the version and goose's words
	}
	if migrate.IsNoRole(err) {
		err = fmt.Errorf("%w; %s", err, migrate.NoRoleHint)
	}
	if s := r.watcher.failed; s != nil && source.Version > r.From && cannotBeInside(err) {
		return r.stop(s)
	}
	switch {
	case r.watcher.failed == nil && migrate.IsNoTable(err) && r.setsPath(source) > 0:
		return fmt.Errorf("%s:%d: %w; %s", filepath.Join(r.Dir, source.Path), r.setsPath(source), err, migrate.HiddenHint)
	case err != nil && r.watcher.failed != nil:
		return fmt.Errorf("%s:%d: %w", r.current.file.path, r.watcher.failed.first, err)
	case err != nil || r.watcher.err != nil:
		return fmt.Errorf("%s: %w", source.Path, errors.Join(err, r.watcher.err))
	case source.Version > r.From:
		return r.finish(ctx)
	}
	return nil
}

// errStop ends the run behind a migration that cannot be run as it is.
var errStop = errors.New("stop")

// cannotBeInside reports whether the server refuses a statement because it is in a
// transaction.
func cannotBeInside(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "25001" // active_sql_transaction
}

// stop judges what was run of a migration with such a statement. What comes behind it may
// need what it makes, so nothing more is run.
func (r *run) stop(s *statement) error {
	m := r.current
	m.statements = append(m.statements, s)
	m.findings = append(m.findings, r.judge.findings...)
	m.findings = append(m.findings, Finding{
		Rule: Together, Name: names[Together], File: s.file.path, Line: s.first, Statement: s.text,
		Problem: "the server refuses it in a transaction, and each migration is one, so that this one fails, and with it all behind it",
		Safe:    "-- +goose NO TRANSACTION as the first line, and no other statement in the file",
	})
	return errStop
}

// setsPath returns the line in which a file names search_path, 0 for none.
func (r *run) setsPath(source *goose.Source) int {
	text, err := fs.ReadFile(r.fsys, source.Path)
	if err != nil {
		return 0
	}
	return migrate.SetsPath(string(text))
}

// begin reads what there is before a migration that is judged.
func (r *run) begin(ctx context.Context, source *goose.Source) error {
	f, err := readFile(r.Dir, r.fsys, source.Path, source.Version)
	r.current = &migration{file: f}
	var problem *annotation.Error
	if errors.As(err, &problem) {
		r.current.findings = append(r.current.findings, wrong(problem.File, problem.Line, problem.Problem, "-- smrt:allow L3 and the reason, above the statement"))
	} else if err != nil {
		return err
	} else if errors.As(migrate.Annotations(f.path, f.script.Text), &problem) {
		r.current.findings = append(r.current.findings, wrong(problem.File, problem.Line, problem.Problem, "what docs/guides/migrations.md says of it; smrt migrate refuses the file"))
	}
	if r.history == nil {
		seen, err := facts(ctx, r.ask)
		if err != nil {
			return err
		}
		r.history = &history{seen: seen, by: make(map[string]*statement)}
		if r.releases.miss, err = r.releases.unmet(ctx, r.ask); err != nil {
			return err
		}
		r.releases.never = maps.Clone(r.releases.miss)
	}
	if err := r.replaced.begin(ctx, r.ask); err != nil {
		return err
	}
	old, err := tables(ctx, r.ask)
	r.judge.old, r.watcher.old, r.watcher.file = old, old, f
	r.judged = append(r.judged, r.current)
	return err
}

// see is told of each statement that has ended.
func (r *run) see(ctx context.Context, conn *pgx.Conn, s *statement) {
	r.current.statements = append(r.current.statements, s)
	if r.watcher.err != nil {
		return
	}
	r.judge.see(s)
	if !s.several && !slices.Contains([]string{"CREATE", "ALTER", "DROP", "DO", "CALL", "SELECT", "COMMIT"}, verb(s.tag)) {
		return
	}
	r.watcher.quiet = true
	defer func() { r.watcher.quiet = false }()
	now, err := facts(ctx, conn)
	if err == nil {
		r.history.note(s, now)
	}
	err = errors.Join(err, r.replaced.note(ctx, conn, s))
	miss, unmetErr := r.releases.unmet(ctx, conn)
	if unmetErr == nil {
		r.releases.note(s, miss)
	}
	r.watcher.fail(errors.Join(err, unmetErr))
}

// finish judges a migration that has been run.
func (r *run) finish(ctx context.Context) error {
	m := r.current
	m.findings = append(append(m.findings, r.judge.findings...), r.releases.findings(m.file)...)
	m.findings = append(m.findings, r.replaced.findings()...)
	r.judge.findings = nil
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it goes back to the pool
	return conn.Raw(func(driver any) error {
		found, err := repeated(ctx, driver.(*stdlib.Conn).Conn(), m.statements)
		m.findings = append(m.findings, found...)
		return err
	})
}

// tables returns the tables of a database, without those of goose and extensions.
func tables(ctx context.Context, conn *pgx.Conn) (map[uint32]*table, error) {
	rows, err := conn.Query(ctx, `
		SELECT c.oid, CASE WHEN n.nspname = pg_catalog.current_schema() THEN '' ELSE n.nspname || '.' END || c.relname, c.relfilenode, c.relkind = 'm'
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'm') AND c.relname <> $1 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')`, versions)
	if err != nil {
		return nil, err
	}
	all := make(map[uint32]*table)
	var oid, storage uint32
	var name string
	var view bool
	_, err = pgx.ForEachRow(rows, []any{&oid, &name, &storage, &view}, func() error {
		all[oid] = &table{oid: oid, name: name, storage: storage, view: view}
		return nil
	})
	return all, err
}

// verb is the first word of a command tag.
func verb(tag string) string {
	for i := range tag {
		if tag[i] == ' ' {
			return tag[:i]
		}
	}
	return tag
}
