package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/smrt-go/smrt/cmd/smrt/internal/gen"
	"github.com/smrt-go/smrt/cmd/smrt/internal/source"
)

// genCommand is smrt gen.
type genCommand struct {
	Models     string   `help:"Directory of the package with the structs; written where there is none. Default: internal/db." placeholder:"DIR"`
	Out        string   `help:"Directory of the package that is written. Default: tables, in that of the structs." placeholder:"DIR"`
	DSN        string   `name:"dsn" env:"DATABASE_URL" help:"The database." placeholder:"URL"`
	Migrations string   `help:"Directory of goose's migrations, which are run on a private server, in place of a database." placeholder:"DIR"`
	Schema     []string `help:"Schemas to declare tables of. Default: all but the system's." placeholder:"NAME"`
	Config     string   `help:"File with what the database and the structs do not say." default:"smrt.yaml" placeholder:"FILE"`
	Check      bool     `help:"Write nothing; end with 1 if a file would change."`
}

// Help explains the command where its flags are listed.
func (genCommand) Help() string {
	return `The structs are those of sqlc, your own, or written too: where the directory has no
Go files, models.go is. Files that smrt gen has not written are never replaced.`
}

// Run runs the command.
func (c *genCommand) Run(ctx context.Context, r *report) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	schema, err := c.source(config).Read(ctx)
	if errors.Is(err, source.ErrNoSource) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	result, err := gen.Run(gen.Input{Relations: schema.Relations, Schema: schema.Current, Config: config, Dir: dir})
	if err != nil {
		return err
	}
	if !c.Check && !result.Failed() {
		if err := result.Write(); err != nil {
			return err
		}
	}
	return c.report(r, dir, result)
}

// config returns the configuration, in which flags win over the file.
func (c *genCommand) config() (gen.Config, error) {
	text, err := os.ReadFile(c.Config)
	if err != nil && !(errors.Is(err, os.ErrNotExist) && c.Config == "smrt.yaml") {
		return gen.Config{}, usageError{err}
	}
	config, err := gen.ParseConfig(text)
	if err != nil {
		return gen.Config{}, usageError{fmt.Errorf("%s: %w", c.Config, err)}
	}
	if c.Models != "" {
		config.Models = c.Models
	}
	if config.Models == "" {
		config.Models = filepath.Join("internal", "db")
	}
	if c.Out != "" {
		config.Out = c.Out
	}
	if config.Out == "" {
		config.Out = filepath.Join(config.Models, "tables")
	}
	if c.Schema != nil {
		config.Schemas = c.Schema
	}
	return config, nil
}

// source returns where the schema is read from: migrations that a flag names win
// over a database, which wins over migrations that the file names.
func (c *genCommand) source(config gen.Config) source.Source {
	s := source.Source{Schemas: config.Schemas, Migrations: c.Migrations}
	if s.Migrations == "" {
		s.DSN = c.DSN
	}
	if s.Migrations == "" && s.DSN == "" {
		s.Migrations = config.Migrations
	}
	return s
}

// report prints what was found and written.
func (c *genCommand) report(r *report, dir string, result *gen.Result) error {
	changed := false
	for i, f := range result.Files {
		changed = changed || f.Changed
		if rel, err := filepath.Rel(dir, f.Path); err == nil {
			result.Files[i].Path = rel
		}
	}
	found := error(nil)
	if result.Failed() || c.Check && changed {
		found = errFound
	}
	if done, err := r.value(result); done {
		return errors.Join(err, found)
	}
	for _, f := range result.Findings {
		word := r.paint(red, "error")
		if f.Note {
			word = r.paint(yellow, "note")
		}
		r.printf("%s: ", word)
		if f.Table != "" {
			r.printf("%s: ", f.Table)
		}
		r.printf("%s\n", f.Problem)
		if f.Config != "" {
			r.printf("      in %s: %s\n", c.Config, f.Config)
		}
	}
	for _, f := range result.Files {
		switch {
		case !f.Changed:
			r.printf("%s: as it was\n", f.Path)
		case c.Check:
			r.printf("%s: %s\n", f.Path, r.paint(red, "would change; run smrt gen"))
		default:
			r.printf("%s: %s\n", f.Path, r.paint(green, "written"))
		}
	}
	if result.Failed() {
		r.printf("nothing was written\n")
		return found
	}
	r.printf("%d tables, %d columns, %d relations\n", result.Tables, result.Columns, result.Relations)
	return found
}
