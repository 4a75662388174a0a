// Command generate compiles SQL with sqlc: queries/ into internal/shop/shopdb, the queries of the example module into
// three packages there, those of the example service, and those of the benchmark. Run it in the root of the repository.
//
//	go run ./internal/shop/generate          # write what sqlc makes
//	go run ./internal/shop/generate -check   # compare only; exit 1 if the checked-in files are not what sqlc makes
//
// It starts a PostgreSQL server of its own and migrates it, because sqlc types some queries only with a server's help,
// and leaves neither the server nor a file of it behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/smrt-go/smrt/internal/shop/schema"
	"github.com/smrt-go/smrt/internal/testdb"
)

const (
	toolDir = "tools/sqlc"        // the module that pins sqlc's version
	dsnEnv  = "SQLC_DATABASE_URL" // as in sqlc.yaml
)

// project is what sqlc makes by one configuration.
type project struct {
	config string
	inputs []string // directories that it reads
	output string   // the directory that it writes, as the configuration says
}

// projects returns what is generated here.
func projects() []project {
	const example, service, bench = "examples/sqlc-module", "examples/shop", "bench/internal/bysqlc"
	inputs := []string{example + "/migrations", example + "/queries"}
	return []project{
		{"sqlc.yaml", []string{"queries"}, "internal/shop/shopdb"},
		{example + "/sqlc.yaml", inputs, example + "/internal/billingdb"},
		{example + "/pgtypes/sqlc.yaml", inputs, example + "/pgtypes/db"},
		{example + "/injected/sqlc.yaml", inputs, example + "/injected/db"},
		{service + "/sqlc.yaml", []string{service + "/migrations", service + "/queries"}, service + "/db"},
		{bench + "/sqlc.yaml", []string{"queries/schema", bench + "/queries"}, bench + "/db"},
	}
}

func main() {
	check := flag.Bool("check", false, "compare with the checked-in files and write nothing")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *check); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// run generates into copies of the inputs, so that a failure changes nothing, and then compares or replaces.
func run(ctx context.Context, check bool) (err error) {
	workspace, err := os.MkdirTemp("", "smrt-generate-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(workspace)) }()

	made := map[string]tree{}
	err = withDatabase(ctx, func(dsn string) error {
		for _, p := range projects() {
			dir := filepath.Join(workspace, p.output)
			files, err := p.generate(ctx, dir, dsn)
			if err != nil {
				return err
			}
			made[p.output] = files
		}
		return nil
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range projects() {
		errs = append(errs, p.finish(made[p.output], check))
	}
	return errors.Join(errs...)
}

// generate returns what sqlc makes of a copy of the inputs in dir.
func (p project) generate(ctx context.Context, dir, dsn string) (tree, error) {
	if err := p.copyTo(dir); err != nil {
		return nil, err
	}
	if err := sqlc(ctx, filepath.Join(dir, p.config), dsn); err != nil {
		return nil, err
	}
	return readTree(filepath.Join(dir, p.output))
}

// finish writes what was made or, with check, compares it with what is there.
func (p project) finish(made tree, check bool) error {
	if !check {
		return made.writeTo(p.output)
	}
	present, err := readTree(p.output)
	if err != nil {
		return err
	}
	if differences := made.compare(present); len(differences) > 0 {
		return fmt.Errorf("%s is not what sqlc makes by %s; run `make generate` and commit the result:\n\t%s",
			p.output, p.config, strings.Join(differences, "\n\t"))
	}
	return nil
}

// copyTo copies all that sqlc reads.
func (p project) copyTo(dir string) error {
	for _, input := range p.inputs {
		if err := os.CopyFS(filepath.Join(dir, input), os.DirFS(input)); err != nil {
			return err
		}
	}
	config, err := os.ReadFile(p.config)
	if err != nil {
		return fmt.Errorf("not in the root of the repository: %w", err)
	}
	file := filepath.Join(dir, p.config)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, config, 0o600)
}

// withDatabase calls fn with a database that has the shop's tables and lives no longer than fn runs.
func withDatabase(ctx context.Context, fn func(dsn string) error) (err error) {
	server, err := testdb.Start(ctx, testdb.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()

	dsn := server.DSN("postgres")
	if err := schema.Up(ctx, dsn); err != nil {
		return err
	}
	return fn(dsn)
}

// sqlc runs the pinned sqlc by a configuration. It is run in its own module: there its version is fixed and its
// dependencies are not those of the library.
func sqlc(ctx context.Context, config, dsn string) error {
	cmd := exec.CommandContext(ctx, "go", "tool", "sqlc", "generate", "--file", config)
	cmd.Dir = toolDir
	cmd.Env = append(os.Environ(), dsnEnv+"="+dsn, "GOWORK=off", "GOFLAGS=-mod=readonly")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// Ask first: killed outright, `go tool` would leave sqlc running.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("sqlc: %w", err)
	}
	return nil
}
