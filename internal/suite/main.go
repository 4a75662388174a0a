// Suite runs go test with one PostgreSQL server for all packages, prints its
// version, what failed, and at the end what each package took:
//
//	go run ./internal/suite -race ./...
//
// Its arguments are those of go test, with values after an equals sign. With
// -race, tests that measure what the race detector changes (check.Plain) are run
// a second time, without it. With -sized as the first argument only tests that
// have a full size are run (check.Long). The exit status is 0 if everything
// passed.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/smrt-go/smrt/internal/testdb"
)

func main() {
	// go test hears of Ctrl-C, too. It ends by itself, and the server after it.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	os.Exit(run(os.Args[1:]))
}

// run returns the exit status.
func run(args []string) int {
	start := time.Now()
	if len(args) > 0 && args[0] == "-sized" {
		tests, err := sizedTests(".")
		if err != nil {
			fmt.Fprintln(os.Stderr, "suite:", err)
			return 1
		}
		args = append([]string{"-run=^(" + strings.Join(tests, "|") + ")$"}, args[1:]...)
	}
	server, err := startServer()
	if err != nil {
		fmt.Fprintln(os.Stderr, "suite:", err)
		return 1
	}
	r := newReport(os.Stdout)
	err = goTest(r, server, args)
	if plain := r.again(); len(plain) > 0 {
		fmt.Println("\nWithout the race detector:")
		err = errors.Join(err, goTest(r, server, append(withoutRace(args), plain...)))
	}
	if server != nil {
		err = errors.Join(err, server.Close())
	}
	r.table(time.Since(start))
	if err != nil {
		fmt.Fprintln(os.Stderr, "suite:", err)
		return 1
	}
	return 0
}

// startServer starts the server for all packages, nil if SMRT_TEST_DSN names
// another one. Several packages use it at a time, each with parallel tests.
func startServer() (*testdb.Server, error) {
	if os.Getenv("SMRT_TEST_DSN") != "" {
		return nil, nil
	}
	ctx := context.Background()
	server, err := testdb.Start(ctx, testdb.Config{
		Shared: true, MaxConnections: 500, Settings: map[string]string{"shared_buffers": "128MB"},
	})
	if err != nil {
		return nil, err
	}
	version, err := server.Version(ctx)
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	fmt.Println("PostgreSQL", version)
	return server, nil
}

func goTest(r *report, server *testdb.Server, args []string) error {
	// No test is late on a slow machine; what hangs ends within the hour.
	cmd := exec.Command("go", append([]string{"test", "-json", "-timeout=1h"}, args...)...)
	if server != nil {
		cmd.Env = append(os.Environ(), testdb.ServerVariable+"="+server.SocketDir())
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	return errors.Join(r.read(out), cmd.Wait())
}

// withoutRace returns the flags of args that are not about races. Without
// packages: again names them.
func withoutRace(args []string) []string {
	return slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
		return arg == "-race" || !strings.HasPrefix(arg, "-")
	})
}
