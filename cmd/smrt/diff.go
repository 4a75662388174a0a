package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/cmd/smrt/internal/program"
)

// diffCommand is smrt diff.
type diffCommand struct {
	From     string   `arg:"" optional:"" help:"A database. With --contract the only one. Default: DATABASE_URL" env:"DATABASE_URL" placeholder:"URL"`
	To       string   `arg:"" optional:"" help:"Another one." placeholder:"URL"`
	Contract []string `help:"Files with contracts, to compare a database with in place of declarations." placeholder:"FILE" type:"existingfile"`
	Packages []string `help:"Packages with the declarations." default:"./..." placeholder:"PACKAGE"`
	Queries  []string `help:"Directories of packages that sqlc wrote, whose queries are compared too." placeholder:"DIR" type:"existingdir"`
	Level    string   `help:"Which differences count: note, warning or fault." enum:"note,warning,fault" default:"note"`
}

// Help explains the command where its flags are listed.
func (diffCommand) Help() string {
	return `Two databases are compared by what the declarations need of them; what these do not
name may differ. smrt verify compares the declarations with one database. --contract
needs no program, so it runs where there is no Go.`
}

// diffReport is the report as JSON.
type diffReport struct {
	From []finding `json:"from"` // what is found of the first database and not of the second
	To   []finding `json:"to"`
	// Needs are the lines of the contracts that one has, with - for the first and + for
	// the second before them.
	Needs []string `json:"needs"`
	// Faulty says that a database has faults, so that there is no contract of it, and
	// nothing but findings was compared.
	Faulty bool `json:"faulty"`
}

// Run runs the command.
func (c *diffCommand) Run(ctx context.Context, r *report) error {
	switch {
	case len(c.Contract) > 0 && c.To != "":
		return usageError{errors.New("--contract compares one database: give no second")}
	case c.From == "":
		return usageError{errors.New("which database? give its URL or set DATABASE_URL")}
	case len(c.Contract) > 0:
		return c.contracts(ctx, r)
	case c.To == "":
		return usageError{errors.New("which other database? give two URLs; smrt verify compares the declarations with one")}
	}
	tables, err := program.Find(ctx, ".", c.Packages)
	if err != nil {
		return err
	}
	from, err := verifyTables(ctx, tables, c.From, c.Queries, nil)
	if err != nil {
		return fmt.Errorf("the first database: %w", err)
	}
	to, err := verifyTables(ctx, tables, c.To, c.Queries, nil)
	if err != nil {
		return fmt.Errorf("the second database: %w", err)
	}
	report := diffReport{From: without(from.Findings, to.Findings), To: without(to.Findings, from.Findings), Needs: []string{}}
	if report.Faulty = from.Contract == "" || to.Contract == ""; !report.Faulty {
		report.Needs = append(report.Needs, differences(from.Contract, to.Contract)...)
	}
	return c.print(r, report, tables.Count())
}

// without returns the findings that are not among others.
func without(findings, others []finding) []finding {
	left := []finding{}
	for _, f := range findings {
		if !slices.Contains(others, f) {
			left = append(left, f)
		}
	}
	return left
}

// print prints the report.
func (c *diffCommand) print(r *report, report diffReport, tables int) error {
	found := foundAt(c.Level, slices.Concat(report.From, report.To))
	if len(report.Needs) > 0 || report.Faulty {
		found = errFound
	}
	if done, err := r.value(report); done {
		return errors.Join(err, found)
	}
	r.findings("first: ", report.From)
	r.findings("second: ", report.To)
	for _, line := range report.Needs {
		r.printf("%s\n", line)
	}
	if report.Faulty {
		r.printf("%s\n", r.paint(red, "a database has faults: run smrt verify, and compare again without them"))
	}
	r.printf("%d tables, %d differences\n", tables, len(report.From)+len(report.To)+len(report.Needs))
	return found
}

// contracts compares a database with contracts.
func (c *diffCommand) contracts(ctx context.Context, r *report) (err error) {
	contracts, err := readContracts(c.Contract)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, c.From)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	report := diffReport{From: []finding{}, To: []finding{}, Needs: []string{}}
	for i, file := range c.Contract {
		found, err := contracts[i].Check(ctx, conn)
		if err != nil {
			return err
		}
		for _, f := range found {
			f.Site = file
			report.From = append(report.From, finding{f.Level.String(), string(f.Check), f.Site, f.Table, f.Column, f.Problem, f.SQL, f.Go, f.String()})
		}
	}
	if done, err := r.value(report); done {
		return errors.Join(err, foundAt(c.Level, report.From))
	}
	r.findings("", report.From)
	r.printf("%d contracts, %d differences\n", len(contracts), len(report.From))
	return foundAt(c.Level, report.From)
}
