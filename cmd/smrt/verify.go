package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/smrt-go/smrt/cmd/smrt/internal/production"
	"github.com/smrt-go/smrt/cmd/smrt/internal/program"
)

// verifyCommand is smrt verify.
type verifyCommand struct {
	Packages []string `arg:"" optional:"" help:"Packages with the declarations. Default: ./..." placeholder:"PACKAGE"`
	DSN      string   `name:"dsn" env:"DATABASE_URL" help:"The database." placeholder:"URL"`
	Level    string   `help:"Which findings count: note, warning or fault." enum:"note,warning,fault" default:"warning"`
	Queries  []string `help:"Directories of packages that sqlc wrote, whose queries are verified too, and part of the contract." placeholder:"DIR" type:"existingdir"`
	Contract string   `help:"File with the contract, which must be there without --write. Default: smrt.contract, if it is there." placeholder:"FILE"`
	Write    bool     `help:"Write the contract."`
	Running  []string `help:"Contracts of releases that still run, which the database must meet too." placeholder:"FILE" type:"existingfile"`

	Production bool `help:"Check the settings of the server and of the role, too."`
}

// Help explains the command where its flags are listed.
func (verifyCommand) Help() string {
	return `Exported package variables that are tables are compared with the database. To compare
conflicts and orders of pages too, call schema.Verify in a test.

With --production it says what should be different before users come: name the database of
production, as the role that the program connects as. Nothing is changed.`
}

// verifyProgram is what runs in the user's module.
//
//go:embed verify.go.tmpl
var verifyProgram string

// verified is what it prints.
type verified struct {
	Findings []finding `json:"findings"`
	Contract string    `json:"contract"` // "" if there are faults
	Error    string    `json:"error"`    // of the database, or of what was asked
}

// finding is a schema.Finding as text and by its parts.
type finding struct {
	Level, Check, Site, Table, Column, Problem, SQL, Go, Text string
}

// verifyReport is the report as JSON.
type verifyReport struct {
	Tables   int       `json:"tables"`
	Findings []finding `json:"findings"`
	Contract string    `json:"contract"` // "same", "written", "differs", "none", "not made"
	Differs  []string  `json:"differs"`  // lines of the contract with + or - before them
}

// Run runs the command.
func (c *verifyCommand) Run(ctx context.Context, r *report) error {
	if c.DSN == "" {
		return usageError{errors.New("which database? set DATABASE_URL or give --dsn URL")}
	}
	if _, err := readContracts(c.Running); err != nil {
		return err
	}
	if err := c.named(); err != nil {
		return err
	}
	if len(c.Packages) == 0 {
		c.Packages = []string{"./..."}
	}
	tables, err := program.Find(ctx, ".", c.Packages)
	if err != nil {
		return err
	}
	v, err := verifyTables(ctx, tables, c.DSN, c.Queries, c.Running)
	if err != nil {
		return err
	}
	report := verifyReport{Tables: tables.Count(), Findings: v.Findings}
	if c.Production {
		state, err := production.Read(ctx, c.DSN)
		if err != nil {
			return err
		}
		report.Findings = append(report.Findings, ofProduction(state)...)
	}
	if err := c.compare(&report, v.Contract); err != nil {
		return err
	}
	return c.print(r, report)
}

// named sets which file has the contract. The error is of one that was named and is not
// there, because nothing would be compared then.
func (c *verifyCommand) named() error {
	if c.Contract == "" {
		c.Contract = "smrt.contract"
		return nil
	}
	_, err := os.Stat(c.Contract)
	if err != nil && !c.Write {
		return fmt.Errorf("--contract: there is nothing to compare with; --write writes it: %w", err)
	}
	return nil
}

// verifyTables compares tables, and queries in directories, with a database, which is to
// meet contracts in files too.
func verifyTables(ctx context.Context, tables *program.Tables, dsn string, queries, running []string) (v verified, err error) {
	args := []string{dsn, fmt.Sprint(len(queries))}
	args = append(append(args, queries...), running...)
	for i := range args[2:] {
		if args[2+i], err = filepath.Abs(args[2+i]); err != nil {
			return v, err
		}
	}
	if err := tables.Run(ctx, template.Must(template.New("verify").Parse(verifyProgram)), &v, args...); err != nil {
		return v, err
	}
	if v.Error != "" {
		return v, errors.New(v.Error)
	}
	return v, nil
}

// ofProduction returns what should be different in production, in the form of other findings.
func ofProduction(state *production.State) (found []finding) {
	for _, f := range production.Judge(state) {
		text := fmt.Sprintf("%s: %s: %s", f.Check, f.Level, f.Problem)
		if f.SQL != "" {
			text += "\n\t" + f.SQL
		}
		found = append(found, finding{Level: f.Level, Check: f.Check, Problem: f.Problem, SQL: f.SQL, Text: text})
	}
	return found
}

// compare compares the contract with the file, or writes it.
func (c *verifyCommand) compare(report *verifyReport, contract string) error {
	old, err := os.ReadFile(c.Contract)
	switch {
	case contract == "":
		report.Contract = "not made"
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case string(old) == contract:
		report.Contract = "same"
	case c.Write:
		report.Contract = "written"
		return os.WriteFile(c.Contract, []byte(contract), 0o644) //nolint:gosec // it is committed
	case err != nil:
		report.Contract = "none"
	default:
		report.Contract = "differs"
		report.Differs = differences(string(old), contract)
	}
	return nil
}

// differences returns the lines of two contracts that only one has.
func differences(before, after string) (lines []string) {
	was, is := strings.Split(strings.TrimSpace(before), "\n"), strings.Split(strings.TrimSpace(after), "\n")
	for _, line := range was {
		if !slices.Contains(is, line) && line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, "- "+line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			lines = append(lines, "+ "+line)
		}
	}
	return lines
}

// print prints the report.
func (c *verifyCommand) print(r *report, report verifyReport) error {
	found := foundAt(c.Level, report.Findings)
	if report.Contract == "differs" {
		found = errFound
	}
	if done, err := r.value(report); done {
		return errors.Join(err, found)
	}
	r.findings("", report.Findings)
	for _, line := range report.Differs {
		r.printf("%s: %s\n", c.Contract, line)
	}
	switch report.Contract {
	case "differs":
		r.printf("%s: %s\n", c.Contract, r.paint(red, "the program needs something else; run smrt verify --write"))
	case "written":
		r.printf("%s: %s\n", c.Contract, r.paint(green, "written"))
	}
	r.printf("%d tables, %d findings\n", report.Tables, len(report.Findings))
	return found
}

// foundAt returns errFound if there are findings of a level or above.
func foundAt(level string, findings []finding) error {
	levels := []string{"note", "warning", "fault"}
	for _, f := range findings {
		if slices.Index(levels, f.Level) >= slices.Index(levels, level) {
			return errFound
		}
	}
	return nil
}

// findings prints findings, each behind a prefix.
func (r *report) findings(prefix string, findings []finding) {
	colors := map[string]string{"fault": red, "warning": yellow}
	for _, f := range findings {
		text := f.Text
		if colors[f.Level] != "" {
			text = strings.Replace(text, f.Level, r.paint(colors[f.Level], f.Level), 1)
		}
		r.printf("%s%s\n", prefix, text)
	}
}
