// Command generate compiles queries/ into internal/shop/shopdb with sqlc. Run it in the root of the repository.
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
	configFile = "sqlc.yaml"
	inputDir   = "queries"
	outputDir  = "internal/shop/shopdb" // as in sqlc.yaml
	toolDir    = "tools/sqlc"           // the module that pins sqlc's version
	dsnEnv     = "SQLC_DATABASE_URL"    // as in sqlc.yaml
)

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

// run generates into a copy of the inputs, so that a failure changes nothing, and then compares or replaces.
func run(ctx context.Context, check bool) (err error) {
	if _, err := os.Stat(configFile); err != nil {
		return fmt.Errorf("not in the root of the repository: %w", err)
	}
	workspace, err := os.MkdirTemp("", "smrt-generate-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(workspace)) }()

	if err := copyInputs(workspace); err != nil {
		return err
	}
	if err := withDatabase(ctx, func(dsn string) error { return sqlc(ctx, workspace, dsn) }); err != nil {
		return err
	}
	made, err := readTree(filepath.Join(workspace, outputDir))
	if err != nil {
		return err
	}
	if !check {
		return made.writeTo(outputDir)
	}
	present, err := readTree(outputDir)
	if err != nil {
		return err
	}
	if differences := made.compare(present); len(differences) > 0 {
		return fmt.Errorf("%s is not what sqlc makes of %s; run `make generate` and commit the result:\n\t%s",
			outputDir, inputDir, strings.Join(differences, "\n\t"))
	}
	return nil
}

// copyInputs copies all that sqlc reads.
func copyInputs(workspace string) error {
	if err := os.CopyFS(filepath.Join(workspace, inputDir), os.DirFS(inputDir)); err != nil {
		return err
	}
	config, err := os.ReadFile(configFile)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(workspace, configFile), config, 0o600)
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

// sqlc runs the pinned sqlc on the workspace. It is run in its own module: there its version is fixed and its
// dependencies are not those of the library.
func sqlc(ctx context.Context, workspace, dsn string) error {
	cmd := exec.CommandContext(ctx, "go", "tool", "sqlc", "generate", "--file", filepath.Join(workspace, configFile))
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
