package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/cmd/smrt/internal/annotation"
	"github.com/smrt-go/smrt/cmd/smrt/internal/gen"
	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/cmd/smrt/internal/source"
	"github.com/smrt-go/smrt/schema"
)

// migrateCommand is smrt migrate.
type migrateCommand struct {
	Up     migrateUp     `cmd:"" help:"Run the migrations that the database has not had."`
	Status migrateStatus `cmd:"" help:"List the migrations, and which of them the database has had."`
}

// migrateFlags are those of all of its commands.
type migrateFlags struct {
	DSN        string `name:"dsn" env:"DATABASE_URL" help:"The database, without a pooler between." placeholder:"URL"`
	Migrations string `help:"Directory of goose's migrations. Default: that of smrt.yaml, or migrations." placeholder:"DIR"`
	Table      string `help:"Table with the versions that the database has had." default:"goose_db_version" placeholder:"NAME"`
}

// options returns what all commands open a runner with.
func (c migrateFlags) options() (migrate.Options, error) {
	if c.DSN == "" {
		return migrate.Options{}, usageError{errors.New("which database? set DATABASE_URL or give --dsn URL")}
	}
	dir, err := migrationsIn(c.Migrations)
	return migrate.Options{DSN: c.DSN, Dir: dir, Table: c.Table}, err
}

// migrationsIn returns the directory of migrations: the one of a flag, else that of
// smrt.yaml, else migrations.
func migrationsIn(flag string) (dir string, err error) {
	if flag != "" {
		return flag, nil
	}
	text, _ := os.ReadFile("smrt.yaml")
	config, err := gen.ParseConfig(text)
	if err != nil {
		return "", usageError{fmt.Errorf("smrt.yaml: %w", err)}
	}
	return cmp.Or(config.Migrations, "migrations"), nil
}

// migrateStatus is smrt migrate status.
type migrateStatus struct {
	migrateFlags
	Check bool `help:"End with 1 if a migration other than of the contract phase is to be run."`
}

// Run runs the command.
func (c *migrateStatus) Run(ctx context.Context, r *report) (err error) {
	opts, err := c.options()
	if err != nil {
		return err
	}
	runner, err := migrate.Open(opts)
	if err != nil {
		return failure(r, err)
	}
	defer func() { err = errors.Join(err, runner.Close()) }()
	all, err := runner.Status(ctx)
	if err != nil {
		return err
	}
	passed, err := runner.PassedOver()
	if err != nil {
		return err
	}
	found := error(nil)
	if c.Check && slices.ContainsFunc(all, func(a migrate.Applied) bool { return !a.Applied && !a.Contract }) {
		found = errFound
	}
	if done, err := r.value(all); done {
		return errors.Join(err, found)
	}
	for _, a := range all {
		state := r.paint(yellow, "to be run")
		switch {
		case a.Applied && a.File == "":
			state, a.File = "run; the directory has no file of it", fmt.Sprint("version ", a.Version)
		case a.Applied:
			state = r.paint(green, "run")
		case a.Contract:
			state = r.paint(yellow, "waits for --phase contract")
		}
		r.printf("%s: %s\n", a.File, state)
	}
	r.passedOver(passed)
	return found
}

// migrateUp is smrt migrate up.
type migrateUp struct {
	migrateFlags
	To           int64         `help:"The last version to run. Default: all." placeholder:"VERSION"`
	Phase        string        `help:"expand, or contract, which runs the files with -- smrt:phase contract too." enum:"expand,contract" default:"expand"`
	Contract     []string      `help:"Contracts of the releases that still run, which must hold afterwards. Needed for the contract phase." placeholder:"FILE"`
	NoContract   bool          `name:"no-contract" help:"No release runs, so there is no contract to check."`
	Scratch      string        `help:"Server on which a database is made to check contracts in, and removed. Default: a private server, which needs PostgreSQL's programs." placeholder:"URL"`
	LockTimeout  time.Duration `help:"How long a statement waits for a lock before its migration is tried again later. 0: as the server is set." default:"2s"`
	Wait         time.Duration `help:"How long to wait for another runner." default:"10m"`
	AllowMissing bool          `help:"Run files below the version of the database too."`
	Batch        time.Duration `help:"How long a transaction of a backfill should take." default:"200ms"`
	MaxLag       int64         `help:"How many MiB of log a standby may be behind before a backfill pauses." default:"64" placeholder:"MIB"`
	MaxAge       time.Duration `help:"How long the oldest transaction may have been open before a backfill pauses." default:"5m"`
}

// Help explains the command where its flags are listed.
func (migrateUp) Help() string {
	return `Any number of runners may start at once: each migration is run by one of them. What
failed half way is run again by the next call.`
}

// migrated is the report of smrt migrate up.
type migrated struct {
	Ran     []migrate.Ran    `json:"ran"`
	Waiting []string         `json:"waiting"`     // files of the contract phase
	Passed  []string         `json:"passed_over"` // files whose names are none of migrations
	Broken  []migrate.Broken `json:"broken"`      // by the files that were to be run, if none was
	Failed  *failed          `json:"failed"`
}

// lists returns the report with lists that are empty and not null, which programs can
// go through.
func (m migrated) lists() migrated {
	m.Ran, m.Waiting, m.Broken = append([]migrate.Ran{}, m.Ran...), append([]string{}, m.Waiting...), append([]migrate.Broken{}, m.Broken...)
	m.Passed = append([]string{}, m.Passed...)
	return m
}

// failed is a migrate.Error by its parts.
type failed struct {
	File  string `json:"file"`
	Line  int    `json:"line"`
	Error string `json:"error"`
	Hint  string `json:"hint"`
}

// Run runs the command.
func (c *migrateUp) Run(ctx context.Context, r *report) (err error) {
	if c.LockTimeout < 0 || c.Wait <= 0 || c.Batch <= 0 || c.MaxLag <= 0 || c.MaxAge <= 0 || c.To < 0 {
		return usageError{errors.New("--wait, --batch, --max-lag and --max-age must be above 0, --lock-timeout and --to not below it")}
	}
	contracts, err := c.contracts()
	if err != nil {
		return err
	}
	opts, err := c.options()
	if err != nil {
		return err
	}
	opts.LockTimeout, opts.Lease.Wait = c.LockTimeout, c.Wait
	opts.Batches = migrate.Batches{Target: c.Batch, Lag: c.MaxLag << 20, Age: c.MaxAge}
	if !r.json {
		opts.Report = func(e migrate.Event) { printEvent(r, e) }
	}
	runner, err := migrate.Open(opts)
	if err != nil {
		return failure(r, err)
	}
	defer func() { err = errors.Join(err, runner.Close()) }()
	files, waiting, err := runner.Plan(ctx, migrate.Target{Version: c.To, Contract: c.Phase == "contract", AllowMissing: c.AllowMissing})
	if err != nil {
		return failure(r, err)
	}
	var result migrated
	for _, f := range waiting {
		result.Waiting = append(result.Waiting, f.Name)
	}
	if result.Passed, err = runner.PassedOver(); err != nil {
		return err
	}
	if len(files) > 0 && len(contracts) > 0 {
		if result.Broken, err = c.gate(ctx, runner, files, contracts); err != nil {
			return failure(r, err)
		}
	}
	refused := slices.ContainsFunc(result.Broken, func(b migrate.Broken) bool { return !b.Warning })
	if !refused {
		result.Ran, err = runner.Run(ctx, files)
	}
	return c.print(r, result, refused, err)
}

// contracts reads the contracts.
func (c *migrateUp) contracts() (all []migrate.Contract, err error) {
	if c.Phase == "contract" && len(c.Contract) == 0 && !c.NoContract {
		return nil, usageError{errors.New("--phase contract takes away what a release may need: give --contract FILE for each that still runs, or --no-contract if none does")}
	}
	if len(c.Contract) > 0 && c.NoContract {
		return nil, usageError{errors.New("--contract FILE is of a release that still runs, and --no-contract says that none does: give one of them")}
	}
	return readContracts(c.Contract)
}

// readContracts reads the contracts in files.
func readContracts(names []string) (all []migrate.Contract, err error) {
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, usageError{err}
		}
		parsed, err := schema.ParseContract(string(text))
		if err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", name, err)}
		}
		if parsed.String() == "" {
			return nil, usageError{fmt.Errorf("%s has no requirement; smrt verify --write writes contracts", name)}
		}
		all = append(all, migrate.Contract{Name: name, Contract: parsed})
	}
	return all, nil
}

// gate checks the contracts on a scratch database.
func (c *migrateUp) gate(ctx context.Context, runner *migrate.Runner, files []*migrate.File, contracts []migrate.Contract) (broken []migrate.Broken, err error) {
	dsn, remove, err := source.Scratch(ctx, c.Scratch)
	if err != nil {
		return nil, fmt.Errorf("contracts are checked on a copy of the schema, for which there is no database; name a server with --scratch URL: %w", err)
	}
	defer func() { err = errors.Join(err, remove()) }()
	return runner.Gate(ctx, dsn, files, contracts)
}

// print prints the report.
func (c *migrateUp) print(r *report, result migrated, refused bool, err error) error {
	if e := (*migrate.Error)(nil); errors.As(err, &e) {
		result.Failed = &failed{File: e.File, Line: e.Line, Error: e.Err.Error(), Hint: e.Hint}
	}
	if refused {
		err = errFound
	}
	if r.json && (err == nil || refused || result.Failed != nil) {
		_, printed := r.value(result.lists())
		if err != nil {
			err = failureStatus(err)
		}
		return errors.Join(printed, err)
	}
	for _, b := range result.Broken {
		word := r.paint(red, "refused")
		if b.Warning {
			word = r.paint(yellow, "warning")
		}
		after := b.File
		if after == "" {
			after = "before and after all files"
		}
		r.printf("%s: %s: after %s: %s\n", word, b.Contract, after, b.Finding)
	}
	if refused {
		r.printf("nothing was run\n")
		return err
	}
	if err != nil {
		return failure(r, err)
	}
	for _, name := range result.Waiting {
		r.printf("%s: %s\n", name, r.paint(yellow, "waits for --phase contract"))
	}
	r.passedOver(result.Passed)
	r.printf("%s\n", result.count())
	return nil
}

// count says how many migrations were run, and how many of them by another runner.
func (m migrated) count() string {
	others := 0
	for _, ran := range m.Ran {
		if ran.Other {
			others++
		}
	}
	text := fmt.Sprintf("%d migrations were run", len(m.Ran))
	if others > 0 {
		text += fmt.Sprintf(", %d of them by another runner", others)
	}
	return text
}

// passedOver prints the files that look like migrations and are none.
func (r *report) passedOver(names []string) {
	for _, name := range names {
		r.printf("%s: %s\n", name, r.paint(red, "passed over, as goose does: a migration is called like 00001_name.sql"))
	}
}

// failure prints an error of the migrations themselves, whose status is that of a
// finding. Others are returned.
func failure(r *report, err error) error {
	if usage := (*migrate.UsageError)(nil); errors.As(err, &usage) {
		return usageError{err}
	}
	if failureStatus(err) != errFound { //nolint:errorlint // it is returned as it is
		return err
	}
	if done, printed := r.value(migrated{Failed: &failed{Error: err.Error()}}.lists()); done {
		return errors.Join(printed, errFound)
	}
	r.printf("%s: %v\n", r.paint(red, "error"), err)
	return errFound
}

// failureStatus returns errFound for an error that the files are the cause of.
func failureStatus(err error) error {
	order, double, comment := (*migrate.OrderError)(nil), (*migrate.DuplicateError)(nil), (*annotation.Error)(nil)
	failed, pg := (*migrate.Error)(nil), (*pgconn.PgError)(nil)
	if errors.As(err, new(*migrate.ParseError)) || errors.As(err, &order) || errors.As(err, &double) || errors.As(err, &comment) || errors.Is(err, errFound) {
		return errFound
	}
	passes := []string{"08", "40", "53", "55", "57", "58"} // classes of what passes, or has its cause in the server
	const newLabel = "55P04"                               // of an enum, which the transaction that adds it cannot use
	if errors.As(err, &failed) && errors.As(err, &pg) && (pg.Code == newLabel || !slices.Contains(passes, pg.Code[:2])) {
		return errFound
	}
	return err
}

// printEvent prints what happens, as it happens.
func printEvent(r *report, e migrate.Event) {
	short := func(d time.Duration) time.Duration {
		if d > time.Minute {
			return d.Round(time.Second)
		}
		return d.Round(time.Millisecond)
	}
	place := e.File
	if e.Line > 0 {
		place = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	switch e.Kind {
	case migrate.Ends:
		if e.Text == "" {
			e.Text = fmt.Sprintf("run in %v", short(e.Took))
		}
		r.printf("%s: %s\n", place, r.paint(green, e.Text))
	case migrate.Repeats:
		r.printf("%s: %s; again in %v\n", place, r.paint(yellow, e.Text), short(e.Left))
	case migrate.Works:
		if e.Left > 0 {
			e.Text += fmt.Sprintf(", %v left", short(e.Left))
		}
		r.printf("%s: %s\n", place, e.Text)
	case migrate.Waits, migrate.Dropped, migrate.Resumes, migrate.Pauses:
		r.printf("%s: %s\n", place, strings.TrimSpace(e.Text))
	}
}
