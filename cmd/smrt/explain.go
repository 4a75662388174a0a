package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/explain"
	"github.com/smrt-go/smrt/internal/sqlc"
)

// explainCommand is smrt explain.
type explainCommand struct {
	Query   string   `arg:"" optional:"" help:"Name of a query that sqlc compiled." placeholder:"QUERY"`
	File    string   `help:"File with one statement instead; - is the standard input." placeholder:"FILE"`
	DSN     string   `name:"dsn" env:"DATABASE_URL" help:"The database." placeholder:"URL"`
	Queries []string `help:"Directories of packages that sqlc wrote. Default: models of the configuration." placeholder:"DIR" type:"existingdir"`
	Config  string   `help:"The configuration." default:"smrt.yaml" placeholder:"FILE"`
}

// Help explains the command where its flags are listed.
func (explainCommand) Help() string {
	return `Prints the SQL, the types of its arguments and columns, and the plan that the
server has for it whatever the arguments. No statement is run, writes neither; the
planner evaluates functions that are declared IMMUTABLE, in a read-only transaction.`
}

// explained is the report as JSON.
type explained struct {
	Query     string           `json:"query,omitempty"`
	Site      string           `json:"site"` // where the text is
	SQL       string           `json:"sql"`
	Arguments []string         `json:"arguments"` // types
	Columns   []explain.Column `json:"columns"`
	Plan      json.RawMessage  `json:"plan,omitempty"`
	Refused   string           `json:"refused,omitempty"` // why the server has no plan
}

// Run runs the command.
func (c *explainCommand) Run(ctx context.Context, r *report, in io.Reader) (err error) {
	if (c.Query == "") == (c.File == "") {
		return usageError{errors.New("which statement? give the name of a query, or --file FILE")}
	}
	if c.DSN == "" {
		return usageError{errors.New("which database? set DATABASE_URL or give --dsn URL")}
	}
	q, err := c.query(in)
	if err != nil {
		return err
	}
	if strings.TrimSpace(q.SQL) == "" {
		return usageError{fmt.Errorf("%s has no statement", q.Site)}
	}
	conn, err := pgx.Connect(ctx, c.DSN)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	report := explained{Query: q.Name, Site: q.Site, SQL: q.SQL}
	s, err := explain.Explain(ctx, conn, q.SQL, r.json)
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused):
		report.Refused = sqlc.Refused(q.SQL, refused)
	case errors.Is(err, explain.ErrNoPlan):
		report.Refused = "has no plan: " + err.Error()
	case err != nil:
		return err
	}
	report.Arguments, report.Columns = s.Arguments, s.Columns
	if r.json {
		report.Plan = json.RawMessage(s.Plan)
	}
	return report.print(r, s.Plan)
}

// print prints the report.
func (e explained) print(r *report, plan string) error {
	var found error
	if e.Refused != "" {
		found = errFound
	}
	if done, err := r.value(e); done {
		return errors.Join(err, found)
	}
	if found != nil {
		r.printf("%s: %s %s\n", e.Site, r.paint(red, "the statement"), e.Refused)
		return found
	}
	r.printf("%s:\n%s\n", e.Site, strings.TrimSpace(e.SQL))
	for i, t := range e.Arguments {
		r.printf("argument $%d: %s\n", i+1, t)
	}
	for _, column := range e.Columns {
		r.printf("column %s: %s\n", column.Name, column.Type)
	}
	r.printf("%s\n", plan)
	return nil
}

// query returns the statement that is asked for.
func (c *explainCommand) query(in io.Reader) (sqlc.Query, error) {
	switch c.File {
	case "":
		return c.named()
	case "-":
		text, err := io.ReadAll(in)
		return sqlc.Query{SQL: string(text), Site: "standard input"}, err
	}
	text, err := os.ReadFile(c.File)
	if err != nil {
		return sqlc.Query{}, usageError{err}
	}
	return sqlc.Query{SQL: string(text), Site: c.File}, nil
}

// named returns the query with the name that was given. The error of one that is not
// there lists those that are.
func (c *explainCommand) named() (sqlc.Query, error) {
	if len(c.Queries) == 0 {
		config, err := (&genCommand{Config: c.Config}).config()
		if err != nil {
			return sqlc.Query{}, err
		}
		c.Queries = []string{config.Models}
	}
	var found []sqlc.Query
	var names []string
	for _, dir := range c.Queries {
		queries, err := sqlc.Read(os.DirFS(dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return sqlc.Query{}, fmt.Errorf("%s: %w", dir, err)
		}
		for _, q := range queries {
			q.Site = filepath.Join(dir, q.Site)
			names = append(names, q.Name)
			if q.Name == c.Query {
				found = append(found, q)
			}
		}
	}
	where := strings.Join(c.Queries, " and ")
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return sqlc.Query{}, usageError{fmt.Errorf("query %s is at %s and at %s: name one directory with --queries", c.Query, found[0].Site, found[1].Site)}
	case len(names) == 0:
		return sqlc.Query{}, usageError{fmt.Errorf("%s has no queries that sqlc compiled: name their directory with --queries DIR, or models in %s", where, c.Config)}
	}
	slices.Sort(names)
	return sqlc.Query{}, usageError{fmt.Errorf("%s has no query %s, but %s", where, c.Query, strings.Join(names, ", "))}
}
