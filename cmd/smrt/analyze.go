package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/analyze"
	"github.com/smrt-go/smrt/cmd/smrt/internal/program"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/schema"
)

// analyzeCommand is smrt analyze.
type analyzeCommand struct {
	Packages []string `arg:"" optional:"" help:"Packages with declarations, whose relations and soft deletion are known then." placeholder:"PACKAGE"`
	DSN      string   `name:"dsn" env:"DATABASE_URL" help:"The database." placeholder:"URL"`
	Standby  []string `help:"Standbys of it, whose reads may use what the primary's do not." placeholder:"URL"`
	Queries  []string `help:"Directories of packages that sqlc wrote, whose queries are planned." placeholder:"DIR" type:"existingdir"`
	Workload []string `help:"Files with statements as JSON, which are planned." placeholder:"FILE" type:"existingfile"`
	Snapshot []string `help:"Files with what observers of the program have recorded, as JSON." placeholder:"FILE" type:"existingfile"`
	Execute  bool     `help:"Run statements too, in transactions that are rolled back. For copies of a database only."`
	Level    string   `help:"Which findings count: note, warning or fault." enum:"note,warning,fault" default:"warning"`
	Baseline string   `help:"File with findings that are accepted. Default: smrt.analyze, if it is there." placeholder:"FILE"`
	Plans    string   `help:"File with plans to compare with, which must be there without --write. Default: smrt.plans, if it is there." placeholder:"FILE"`
	Source   string   `help:"Whose statistics the plans are made with; plans of other sources are not compared. Default: the database and the server's version." placeholder:"NAME"`
	Write    bool     `help:"Write the plans."`
	Sarif    bool     `help:"Print the findings as SARIF 2.1.0, for code review."`
	Accept   bool     `help:"Write the baseline: accept what is found of the level and above, and nothing else."`
}

// Help explains the command where its flags are listed.
func (analyzeCommand) Help() string {
	return `Finds what makes a database slow: indexes that are missing, covered, unused or broken,
numbers that run out, statements whose plans read too much, and what observers of a program have recorded. Nothing is changed and no
statement is run without --execute. A role that may read is enough. The checks are in docs/guides/tuning.md.`
}

// analyzeProgram is what runs in the user's module.
//
//go:embed analyze.go.tmpl
var analyzeProgram string

// analyzed is what it prints.
type analyzed struct {
	Report *analyze.Report `json:"report"`
	Error  string          `json:"error"`
}

// analyzeRequest is what it is asked.
type analyzeRequest struct {
	DSN      string          `json:"dsn"`
	Standbys []string        `json:"standbys"`
	Options  analyze.Options `json:"options"`
}

// analyzeReport is the report as JSON.
type analyzeReport struct {
	*analyze.Report                  // its findings are those that are not accepted
	Accepted        analyze.Findings `json:"accepted"`
	Gone            []string         `json:"gone"`     // lines of the baseline that nothing was found for
	Baseline        string           `json:"baseline"` // "none", "read", "written"
	Changes         []string         `json:"changes"`  // of plans that are no worse
	Compared        string           `json:"compared"` // "none", "same source", "other source", "written"
}

// Run runs the command.
func (c *analyzeCommand) Run(ctx context.Context, r *report) error {
	if c.Sarif && r.json {
		return usageError{errors.New("--sarif is JSON of its own form: leave --json out")}
	}
	if c.DSN == "" {
		return usageError{errors.New("which database? set DATABASE_URL or give --dsn URL")}
	}
	known, state, err := c.known()
	if err != nil {
		return err
	}
	plans, err := c.recorded()
	if err != nil {
		return err
	}
	workload, err := c.workload()
	if err != nil {
		return err
	}
	snapshots, err := c.snapshots()
	if err != nil {
		return err
	}
	request := analyzeRequest{DSN: c.DSN, Standbys: c.Standby, Options: analyze.Options{Workload: workload, Snapshots: snapshots, Execute: c.Execute, Source: c.Source}}
	var found *analyze.Report
	if len(c.Packages) > 0 {
		found, err = analyzeTables(ctx, c.Packages, request)
	} else {
		found, err = analyzeDatabase(ctx, r, request, c.Sarif)
	}
	if err != nil {
		return err
	}
	report := analyzeReport{Report: found, Changes: []string{}}
	if err := c.compare(&report, plans); err != nil {
		return err
	}
	var level schema.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return err
	}
	if c.Accept {
		known, state = known.Accept(found.Findings.AtLeast(level)), "written"
		if err := os.WriteFile(c.Baseline, []byte(known.String()), 0o644); err != nil { //nolint:gosec // it is committed
			return err
		}
	}
	report.Baseline = state
	report.Findings, report.Accepted, report.Gone = known.Split(found.Findings)
	return c.print(r, report, level)
}

// known returns the baseline. The error is of one that was named and is not there.
func (c *analyzeCommand) known() (b analyze.Baseline, state string, err error) {
	text, err := committed(&c.Baseline, "smrt.analyze", c.Accept)
	switch {
	case err != nil:
		return b, "", fmt.Errorf("--baseline: nothing is accepted yet; --accept writes it: %w", err)
	case text == nil:
		return b, "none", nil
	}
	if b, err = analyze.ParseBaseline(string(text)); err != nil {
		return b, "", usageError{fmt.Errorf("%s: %w", c.Baseline, err)}
	}
	return b, "read", nil
}

// recorded returns the plans that are compared with, nil if there are none. The error is
// of a file that was named and is not there.
func (c *analyzeCommand) recorded() (*analyze.Plans, error) {
	text, err := committed(&c.Plans, "smrt.plans", c.Write)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--plans: there is nothing to compare with; --write writes it: %w", err)
	case text == nil:
		return nil, nil
	}
	plans, err := analyze.ParsePlans(string(text))
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", c.Plans, err)}
	}
	return &plans, nil
}

// committed reads a file that a team commits. It is nil if it is not there and need not
// be: the usual one, to which an empty name is set, and one that will be written.
func committed(name *string, usual string, written bool) ([]byte, error) {
	named := *name != ""
	if !named {
		*name = usual
	}
	text, err := os.ReadFile(*name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && (!named || written):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return text, nil
}

// compare adds what is worse than the recorded plans to the findings, or writes the plans.
func (c *analyzeCommand) compare(report *analyzeReport, was *analyze.Plans) error {
	switch {
	case c.Write:
		if was == nil {
			was = &analyze.Plans{}
		}
		report.Compared = "written"
		return os.WriteFile(c.Plans, []byte(was.Record(report.Plans).String()), 0o644) //nolint:gosec // it is committed
	case was == nil:
		report.Compared = "none"
		return nil
	case was.Source != report.Plans.Source:
		report.Compared = "other source"
		return nil
	}
	found, changes, err := was.Compare(report.Plans)
	report.Compared = "same source"
	report.Findings = append(found, report.Findings...) // whose ids come later
	report.Changes = append(report.Changes, changes...)
	return err
}

// workload returns the statements of files and of sqlc's packages.
func (c *analyzeCommand) workload() (all analyze.Workload, err error) {
	for _, dir := range c.Queries {
		queries, err := analyze.Queries(os.DirFS(dir))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		if len(queries) == 0 {
			return nil, usageError{fmt.Errorf("%s has no queries that sqlc compiled", dir)}
		}
		for i := range queries {
			queries[i].Site = filepath.Join(dir, queries[i].Site)
		}
		all = append(all, queries...)
	}
	for _, name := range c.Workload {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		statements, err := analyze.ReadWorkload(file)
		if err := errors.Join(err, file.Close()); err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", name, err)}
		}
		all = append(all, statements...)
	}
	return all, nil
}

// snapshots returns what observers have recorded.
func (c *analyzeCommand) snapshots() ([]observe.Snapshot, error) {
	all := make([]observe.Snapshot, len(c.Snapshot))
	for i, name := range c.Snapshot {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &all[i]); err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", name, err)}
		}
	}
	return all, nil
}

// analyzeTables analyses a database with the tables that packages declare.
func analyzeTables(ctx context.Context, packages []string, request analyzeRequest) (found *analyze.Report, err error) {
	tables, err := program.Find(ctx, ".", packages)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "smrt")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	name := filepath.Join(dir, "request.json")
	if err := os.WriteFile(name, text, 0o600); err != nil { // the connection string may have a password
		return nil, err
	}
	var a analyzed
	if err := tables.Run(ctx, template.Must(template.New("analyze").Parse(analyzeProgram)), &a, name); err != nil {
		return nil, err
	}
	if a.Error != "" {
		return nil, errors.New(a.Error)
	}
	return a.Report, nil
}

// every is how often progress is printed.
const every = 5 * time.Second

// analyzeDatabase analyses a database of which no declarations are known.
func analyzeDatabase(ctx context.Context, r *report, request analyzeRequest, quiet bool) (*analyze.Report, error) {
	pool, err := pgxpool.New(ctx, request.DSN)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	options, last := request.Options, time.Now()
	options.Progress = func(done, of int) {
		if time.Since(last) > every && !r.json && !quiet {
			last = time.Now()
			r.printf("%d of %d statements\n", done, of)
		}
	}
	for _, dsn := range request.Standbys {
		standby, err := pgxpool.New(ctx, dsn)
		if err != nil {
			return nil, err
		}
		defer standby.Close()
		options.Standbys = append(options.Standbys, standby)
	}
	return analyze.Run(ctx, pool, options)
}

// print prints the report.
func (c *analyzeCommand) print(r *report, report analyzeReport, level schema.Level) error {
	var found error
	if len(report.Findings.AtLeast(level)) > 0 {
		found = errFound
	}
	if done, err := r.value(report); done {
		return errors.Join(err, found)
	}
	if c.Sarif {
		return errors.Join(writeSARIF(r.out, report), found)
	}
	colors := map[schema.Level]string{schema.Fault: red, schema.Warning: yellow}
	for _, f := range report.Findings {
		text := f.String()
		if colors[f.Level] != "" {
			text = strings.Replace(text, f.Level.String(), r.paint(colors[f.Level], f.Level.String()), 1)
		}
		r.printf("%s\n\n", text)
	}
	for _, x := range report.Indexes {
		r.printf("index: %s\n", x.SQL)
		for _, s := range x.Serves {
			r.printf("    %s: the cost falls from %.0f to %.0f\n", s.Statement, s.Before, s.After)
		}
		for _, name := range x.Replaces {
			r.printf("    replaces %s\n", name)
		}
	}
	for _, u := range report.Unplanned {
		r.printf("not planned: %s %s\n", u.Statement, u.Why)
	}
	for _, what := range report.Unseen {
		r.printf("not looked at: %s\n", what)
	}
	for _, line := range report.Changes {
		r.printf("%s: %s\n", c.Plans, line)
	}
	switch report.Compared {
	case "other source":
		r.printf("%s: not compared, because the plans here are of %q: name the source with --source, or --write them\n", c.Plans, report.Plans.Source)
	case "written":
		r.printf("%s: %s\n", c.Plans, r.paint(green, "written"))
	}
	for _, line := range report.Gone {
		r.printf("%s: not found any more: %s\n", c.Baseline, line)
	}
	if report.Baseline == "written" {
		r.printf("%s: %s\n", c.Baseline, r.paint(green, "written"))
	}
	r.printf("%d statements, %d findings, %d accepted\n", report.Statements, len(report.Findings), len(report.Accepted))
	return found
}
