package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/schema"
)

// Contract is that of a release that still runs.
type Contract struct {
	Name string // of its file
	schema.Contract
}

// Broken is a requirement of a release that would not be met any more.
type Broken struct {
	Contract string `json:"contract"`
	File     string `json:"file"`    // after which it is not met; "" if it was not before
	Finding  string `json:"finding"` // what is not met
	Warning  bool   `json:"warning"` // the release goes on to work
}

// GateError is of a contract phase that a release which still runs would not survive.
type GateError struct{ Broken []Broken }

func (e *GateError) Error() string {
	return fmt.Sprintf("%d requirements of releases that still run would not be met: nothing was run", len(e.Broken))
}

// Gate checks contracts on a copy of the schema while it is migrated: on an empty
// database, named by dsn, it runs what the runner's database has had, in the order in
// which it had it, and then the files. It returns what is not met after the last of
// them, and what ceases to be met on the way, as releases run all the while.
func (r *Runner) Gate(ctx context.Context, dsn string, files []*File, contracts []Contract) (broken []Broken, err error) {
	applied, err := r.store.applied(ctx, r.db)
	if err != nil {
		return nil, err
	}
	var before []*File
	for _, v := range applied {
		f := r.file(v)
		if f == nil {
			return nil, fmt.Errorf("the database has had version %d, of which %s has no file: its schema cannot be copied, so contracts cannot be checked", v, r.opts.Dir)
		}
		before = append(before, f)
	}
	scratch, err := Open(Options{DSN: dsn, Dir: r.opts.Dir, Table: r.opts.Table})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, scratch.Close()) }()
	if _, err := scratch.Run(ctx, before); err != nil {
		return nil, fmt.Errorf("copying the schema, to check contracts on it: %w", onCopy(err))
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	g := gate{conn: conn, contracts: contracts}
	if _, err := g.check(ctx, ""); err != nil {
		return nil, err
	}
	for i, f := range files {
		if _, err := scratch.Run(ctx, []*File{f}); err != nil {
			return nil, fmt.Errorf("on a copy of the schema, to check contracts on it: %w", onCopy(err))
		}
		lost, err := g.check(ctx, f.Name)
		if err != nil {
			return nil, err
		}
		if broken = append(broken, lost...); i == len(files)-1 {
			broken = g.never(broken)
		}
	}
	return broken, nil
}

// onCopy returns the error of a file with a hint for what only the copy does not have.
func onCopy(err error) error {
	if failed := (*Error)(nil); errors.As(err, &failed) && IsNoRole(err) {
		failed.Hint = NoRoleHint
	}
	return err
}

// gate remembers what was not met before the last file.
type gate struct {
	conn      *pgx.Conn
	contracts []Contract
	unmet     []Broken
	names     Identities
}

// check returns what is not met and was before this file.
func (g *gate) check(ctx context.Context, file string) (lost []Broken, err error) {
	var unmet []Broken
	for _, c := range g.contracts {
		found, err := c.Check(ctx, g.conn)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		for _, f := range found {
			unmet = append(unmet, Broken{Contract: c.Name, Finding: f.String(), Warning: f.Level < schema.Fault})
		}
	}
	replaced, err := g.replaced(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range append(replaced, unmet...) {
		if !slices.Contains(g.unmet, b) {
			lost = append(lost, b)
			lost[len(lost)-1].File = file
		}
	}
	g.unmet = unmet
	return lost, nil
}

// replaced returns the columns of contracts that were replaced since the last call by
// others of their names.
func (g *gate) replaced(ctx context.Context) (broken []Broken, err error) {
	before := g.names
	if g.names, err = ReadIdentities(ctx, g.conn); err != nil {
		return nil, err
	}
	for _, r := range before.Replaced(g.names) {
		column := "\ncolumn " + r.Table + "."
		if r.Column != "" {
			column += r.Column + " "
		}
		for _, c := range g.contracts {
			if strings.Contains("\n"+c.String(), column) {
				broken = append(broken, Broken{Contract: c.Name, Finding: r.String(), Warning: r.Kept})
			}
		}
	}
	return broken, nil
}

// never adds what is not met now, and was not at any time.
func (g *gate) never(broken []Broken) []Broken {
	for _, b := range g.unmet {
		if !slices.ContainsFunc(broken, func(other Broken) bool { return other.Contract == b.Contract && other.Finding == b.Finding }) {
			broken = append(broken, b)
		}
	}
	return broken
}
