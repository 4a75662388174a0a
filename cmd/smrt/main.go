// Command smrt works on the declarations of a program that uses smrt: it writes
// them from the database (smrt gen), and compares them with one (smrt verify) and two
// databases with each other (smrt diff). It shows how a database would run a query (smrt
// explain), and finds what makes it slow (smrt analyze). It judges migrations by what the server does (smrt lint), and migrates
// databases that are in use (smrt migrate).
//
// It ends with 0 if all is well, 1 if something was found, 2 if it was called
// wrongly, and 3 if what it needs is not there, such as the database.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// The statuses that the command ends with.
const (
	statusFine = iota
	statusFound
	statusUsage
	statusSurroundings
)

// commands are the commands, each in a file of its own, and the flags of all.
type commands struct {
	JSON bool `name:"json" help:"Print the report as JSON."`

	Gen        genCommand        `cmd:"" help:"Write tables, columns and relations from a database and Go structs."`
	Verify     verifyCommand     `cmd:"" help:"Compare the declarations of a program with a database."`
	Diff       diffCommand       `cmd:"" help:"Compare two databases by what a program needs, or one with contracts."`
	Explain    explainCommand    `cmd:"" help:"Show the SQL, the types and the plan of a query, without running it."`
	Analyze    analyzeCommand    `cmd:"" help:"Find what makes a database and its statements slow."`
	Migrate    migrateCommand    `cmd:"" help:"Run goose's migrations on a database that is in use."`
	Lint       lintCommand       `cmd:"" help:"Find migrations that would keep a service from its tables."`
	Completion completionCommand `cmd:"" help:"Print a script that completes commands and flags in a shell."`
}

// errFound is the error of a command that has found something and said so.
var errFound = errors.New("found")

// usageError is of a call that cannot be meant.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run returns the status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (status int) {
	var c commands
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("smrt"), kong.Description("smrt works on the declarations of a program that uses the library smrt."),
		kong.Writers(stdout, stderr), kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(int) { exited = statusFine }), kong.BindTo(ctx, (*context.Context)(nil)), kong.BindTo(stdin, (*io.Reader)(nil)))
	if err != nil {
		fmt.Fprintln(stderr, "smrt:", err)
		return statusUsage
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // help was printed
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "smrt: %v\nRun smrt --help for commands and flags.\n", err)
		return statusUsage
	}
	err = parsed.Run(newReport(stdout, c.JSON), parser)
	var usage usageError
	switch {
	case err == nil:
		return statusFine
	case errors.Is(err, errFound):
		return statusFound
	case errors.As(err, &usage):
		status = statusUsage
	default:
		status = statusSurroundings
	}
	fmt.Fprintln(stderr, "smrt:", err)
	return status
}
