package testdb

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"sync"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

// Main runs a package's tests, stops the server if one was started, and, if the tests passed, fails when goroutines
// are left over. It returns the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }
func Main(m interface{ Run() int }) int {
	code, err := Run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testdb:", err)
	}
	return code
}

// Run is Main for callers who print the error themselves. With an error the exit code is not 0.
func Run(m interface{ Run() int }) (code int, err error) {
	code = m.Run()
	if err := closeShared(); err != nil {
		return max(code, 1), err
	}
	if code != 0 {
		return code, nil
	}
	if err := goleak.Find(); err != nil {
		return 1, fmt.Errorf("goroutines outlive the tests: %w", err)
	}
	return 0, nil
}

// host is the server that all databases of this process live on.
type host struct {
	*Server
	run    string     // prefix of this process's databases
	lease  *lease     // nil: nobody else uses the server
	pooler *PgBouncer // in front of all tests, if the environment wants one

	copying  sync.WaitGroup // copies that are made ahead
	dropping errgroup.Group // databases of tests that have ended

	mu        sync.Mutex
	count     int
	templates map[string]*template
}

// shared is the process's server, started by the first test that asks for a database. It is a variable of the package
// because tests have no common place to keep it in.
var shared struct {
	sync.Mutex
	host *host
	err  error // a server that did not start once is not tried again by each test
}

// maxDropping is how many databases are dropped at a time. A test that ends while there are more waits, so that they
// do not fill the server.
const maxDropping = 4

func sharedHost(ctx context.Context) (*host, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.host != nil || shared.err != nil {
		return shared.host, shared.err
	}
	shared.host, shared.err = openHost(ctx)
	return shared.host, shared.err
}

func openHost(ctx context.Context) (*host, error) {
	pooler, pooled, err := envPooler()
	if err != nil {
		return nil, err
	}
	h := &host{run: newRun(), templates: map[string]*template{}}
	h.dropping.SetLimit(maxDropping)
	if dsn := os.Getenv("SMRT_TEST_DSN"); dsn != "" {
		h.Server = &Server{name: "external", external: dsn}
	} else if dir := os.Getenv(ServerVariable); dir != "" {
		h.Server = attach(dir)
	} else if h.Server, err = Start(ctx, Config{MaxConnections: serverConnections()}); err != nil {
		return nil, err
	}
	h.admins.most = maxDropping
	if h.external != "" {
		keep := os.Getenv("SMRT_TEST_DSN") == "" // the suite's server ends with it
		if h.lease, err = openLease(ctx, h.Server, h.run, keep); err != nil {
			return nil, err
		}
	}
	if pooled {
		pooler.Server = h.Server
		if h.pooler, err = OpenPgBouncer(ctx, pooler); err != nil {
			return nil, errors.Join(err, h.Close())
		}
	}
	return h, nil
}

// serverConnections is enough for a pool of the usual size in each test that may run at a time, as -parallel says.
func serverConnections() int {
	perTest, err := envMaxConns()
	parallel := flag.Lookup("test.parallel")
	if err != nil || parallel == nil { // no test binary
		return 0
	}
	n, _ := strconv.Atoi(parallel.Value.String())
	return max(200, n*(int(perTest)+2)+50) // two of each test's are the makers and droppers of databases
}

func closeShared() error {
	shared.Lock()
	defer shared.Unlock()
	h := shared.host
	shared.host = nil
	if h == nil {
		return nil
	}
	h.copying.Wait()
	err := h.dropping.Wait()
	h.admins.close()
	if h.lease != nil {
		err = h.lease.close(context.Background()) // drops what could not be dropped then
	}
	return errors.Join(err, h.Close())
}
