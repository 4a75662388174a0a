// Smrt-postgres starts a private PostgreSQL server, with standbys if asked for, and runs a program
// beside it:
//
//	smrt-postgres -standbys 1 sh examples/shop/start.sh
//
// The program finds the server in DATABASE_URL and the standbys in REPLICA_URLS, separated by commas.
// It has the output of this one, and no input. When it ends the servers end too, and nothing is left of them;
// what it has started itself and left running is its own. An interrupt is passed on to it as SIGTERM, and ten
// seconds later it is killed. The exit status is that of the program; 1 if it could not be run, 2 for a wrong
// call, and 130 if it was interrupted before or did not end by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/smrt-go/smrt/internal/testdb"
)

const database = "example"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends this program at once; the server's watchdog then cleans up
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("smrt-postgres", flag.ContinueOnError)
	flags.SetOutput(stderr)
	standbys := flags.Int("standbys", 0, "how many standbys the server has")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() == 0 {
		fmt.Fprintln(stderr, "smrt-postgres: no program to run: smrt-postgres [-standbys n] program [arguments]")
		return 2
	}
	if *standbys < 0 {
		fmt.Fprintln(stderr, "smrt-postgres: -standbys must not be negative")
		return 2
	}
	if _, err := exec.LookPath(flags.Arg(0)); err != nil { // before servers are started for it
		fmt.Fprintln(stderr, "smrt-postgres:", err)
		return 1
	}
	cmd := exec.CommandContext(ctx, flags.Arg(0), flags.Args()[1:]...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = 10 * time.Second
	err := beside(ctx, *standbys, cmd)
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended) && ended.ExitCode() > 0:
		return ended.ExitCode()
	case err == nil:
		return 0
	case ctx.Err() != nil:
		return 130
	}
	fmt.Fprintln(stderr, "smrt-postgres:", err)
	return 1
}

// beside runs cmd while servers run that are there for it alone.
func beside(ctx context.Context, standbys int, cmd *exec.Cmd) (err error) {
	var servers []*testdb.Server
	defer func() {
		for _, s := range servers {
			err = errors.Join(err, s.Close())
		}
	}()
	primary, err := testdb.Start(ctx, testdb.Config{Settings: map[string]string{"wal_level": "replica"}})
	if err != nil {
		return err
	}
	servers = append(servers, primary)
	if err := primary.CreateDatabase(ctx, database, ""); err != nil {
		return err
	}
	var replicas []string
	for range standbys {
		standby, err := primary.Standby(ctx, testdb.StandbyConfig{})
		if err != nil {
			return err
		}
		servers = append([]*testdb.Server{standby}, servers...) // ends before the primary
		replicas = append(replicas, standby.DSN(database))
	}
	cmd.Env = append(os.Environ(), "DATABASE_URL="+primary.DSN(database), "REPLICA_URLS="+strings.Join(replicas, ","))
	passOn(cmd)
	return cmd.Run()
}
