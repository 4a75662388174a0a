// Smrt-demo starts a private PostgreSQL server with a standby, loads a shop, and
// walks through the library on it.
//
// Each step shows the Go source that ran, the SQL that was sent, and how long
// that took, and then checks the result against hand-written SQL. The exit
// status is 0 if everything was as expected, 1 if not and 130 after Ctrl-C.
// Nothing is left behind in any case.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/smrt-go/smrt/internal/shop/seed"
)

// The exit statuses.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once; the server's watchdog then cleans up.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("smrt-demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	scaleName := flags.String("scale", "full", "how much data to load: full or small")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitDone
	} else if err != nil {
		return exitUsage
	}
	size, ok := scales[*scaleName]
	if !ok || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "smrt-demo: -scale is full or small, and there are no other arguments")
		return exitUsage
	}

	err := demo(ctx, stdout, size)
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "\nsmrt-demo: interrupted; the servers are stopped and their files removed")
		return exitInterrupted
	default:
		fmt.Fprintln(stderr, "\nsmrt-demo:", err)
		return exitFailed
	}
}

// demo prepares the stage, plays all steps on it and clears it away.
func demo(ctx context.Context, out io.Writer, size seed.Size) (err error) {
	s := &stage{Writer: out, bold: isTerminal(out), size: size}
	s.opening()
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx); err != nil {
		return err
	}
	return s.tour(ctx)
}
