package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/smrt-go/smrt/cmd/smrt/internal/lint"
	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/cmd/smrt/internal/program"
	"github.com/smrt-go/smrt/cmd/smrt/internal/source"
)

// lintCommand is smrt lint.
type lintCommand struct {
	Dir      string        `arg:"" optional:"" help:"Directory of goose's migrations. Default: that of smrt.yaml, or migrations." placeholder:"DIR"`
	From     int64         `help:"The newest version that has been released: migrations up to it are run, and not judged." placeholder:"VERSION"`
	Contract []string      `help:"Contracts of releases that still run, which must hold after each migration." placeholder:"FILE"`
	Timeout  time.Duration `name:"lock-timeout" help:"The lock_timeout that they are run with in earnest, where they set none." placeholder:"DURATION"`
	Scratch  string        `help:"Server on which a database is made to run them in, and removed. Default: a private server, which needs PostgreSQL's programs." placeholder:"URL"`
	Queries  []string      `help:"Directories of packages that sqlc wrote, whose queries with slots are judged on the migrated database." placeholder:"DIR" type:"existingdir"`
	Packages []string      `help:"Packages with declared tables, which must hold when all migrations are run, and are those of slots. Default for slots: ./..." placeholder:"PACKAGE"`
}

// Help explains the command where its flags are listed.
func (lintCommand) Help() string {
	return `The migrations are run, one by one, and what the server locks, scans and rewrites is
reported. The rules are in docs/guides/migrations.md. A finding is allowed by a line above
the statement: -- smrt:allow L3 and the reason. With --queries, the places of sqlc's queries
that package slots fills are filled and prepared, which runs nothing (docs/guides/sqlc.md).`
}

// Run runs the command.
func (c *lintCommand) Run(ctx context.Context, r *report) (err error) {
	dir, err := migrationsIn(c.Dir)
	if err != nil {
		return err
	}
	if err := migrate.IsFolder(dir); err != nil {
		return usageError{err}
	}
	contracts, err := readContracts(c.Contract)
	if err != nil {
		return err
	}
	dsn, remove, err := source.Scratch(ctx, c.Scratch)
	if err != nil && c.Scratch == "" {
		return fmt.Errorf("no private server for the migrations could be started; name one on which a database may be made instead, with --scratch URL: %w", err)
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	var tables *program.Tables
	if len(c.Queries)+len(c.Packages) > 0 { // which takes no server
		if tables, err = c.tables(ctx); err != nil {
			return err
		}
	}
	result, err := lint.Run(ctx, lint.Options{Dir: dir, DSN: dsn, From: c.From, Timeout: c.Timeout, Releases: contracts})
	if missing := (*lint.NoVersionError)(nil); errors.As(err, &missing) {
		return usageError{fmt.Errorf("--from: %w", err)}
	}
	if err != nil {
		return err
	}
	if tables != nil && result.Stopped == "" {
		found, declared, err := c.inModule(ctx, tables, dsn)
		if err != nil {
			return err
		}
		if len(c.Packages) > 0 {
			result.Declared(declared)
		}
		result.Findings = append(result.Findings, found...)
	}
	return c.print(r, result)
}

// lintProgram is what runs in the user's module.
//
//go:embed lint.go.tmpl
var lintProgram string

// tables finds the declared tables.
func (c *lintCommand) tables(ctx context.Context) (*program.Tables, error) {
	if len(c.Packages) == 0 {
		return program.Find(ctx, ".", []string{"./..."})
	}
	return program.Find(ctx, ".", c.Packages)
}

// inModule judges the queries with slots, and the declared tables, on the migrated database.
func (c *lintCommand) inModule(ctx context.Context, tables *program.Tables, dsn string) (findings []lint.Finding, declared []lint.DeclaredFinding, err error) {
	args := []string{dsn}
	for _, dir := range c.Queries {
		dir, err := filepath.Abs(dir) // the program runs elsewhere
		if err != nil {
			return nil, nil, err
		}
		args = append(args, dir)
	}
	var linted struct {
		Findings [][]lint.SlotFinding   `json:"findings"` // of each directory
		Declared []lint.DeclaredFinding `json:"declared"`
		Error    string                 `json:"error"`
	}
	if err := tables.Run(ctx, template.Must(template.New("lint").Parse(lintProgram)), &linted, args...); err != nil {
		return nil, nil, err
	}
	if linted.Error != "" {
		return nil, nil, errors.New(linted.Error)
	}
	for i, found := range linted.Findings {
		for _, f := range found {
			findings = append(findings, f.In(c.Queries[i]))
		}
	}
	return findings, linted.Declared, nil
}

// print prints the report.
func (c *lintCommand) print(r *report, result *lint.Result) error {
	var found error
	if len(result.Findings) > 0 {
		found = errFound
	}
	if done, err := r.value(result); done {
		return errors.Join(err, found)
	}
	for _, f := range result.Findings {
		r.printf("%s\n\n", strings.Replace(f.String(), f.Rule+" "+f.Name, r.paint(red, f.Rule+" "+f.Name), 1))
	}
	for _, f := range result.Allowed {
		r.printf("%s\n\n", strings.Replace(f.String(), f.Rule+" "+f.Name, r.paint(yellow, f.Rule+" "+f.Name), 1))
	}
	if result.Stopped != "" {
		r.printf("%s: cannot be run as it is, so nothing behind it was run\n", result.Stopped)
	}
	r.printf("%d migrations, %d of them judged, %d findings, %d allowed\n", result.Migrations, result.Judged, len(result.Findings), len(result.Allowed))
	if len(c.Contract) == 0 {
		r.printf("what releases that run would miss was not looked for: give --contract FILE\n")
	}
	return found
}
