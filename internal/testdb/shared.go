package testdb

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
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

// Schema is what a template database holds. Databases are copied from it, which takes a fraction of the time of
// migrating each.
type Schema struct {
	// Name identifies the schema within a test binary: two of the same name are taken to be the same.
	Name string

	// Title is what errors call it. Default: the name.
	Title string

	// Apply fills the empty database it is given. It runs once per server. Nil leaves the database empty.
	Apply func(ctx context.Context, dsn string) error
}

// SQL is a schema that one text of statements makes.
func SQL(name, text string) Schema {
	return Schema{Name: name, Apply: func(ctx context.Context, dsn string) error {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, text, pgx.QueryExecModeSimpleProtocol)
		return errors.Join(err, conn.Close(ctx))
	}}
}

// Empty is the schema with nothing in it.
var Empty = Schema{Name: "empty"}

// host is the server that all databases of this process live on.
type host struct {
	*Server
	run    string     // prefix of this process's databases
	pooler *PgBouncer // in front of all tests, if the environment wants one

	mu        sync.Mutex
	count     int
	examples  []string // databases of examples, which nobody else drops
	templates map[string]*template
}

type template struct {
	once sync.Once
	err  error
}

// shared is the process's server, started by the first test that asks for a database. It is a variable of the package
// because tests have no common place to keep it in.
var shared struct {
	sync.Mutex
	host *host
	err  error // a server that did not start once is not tried again by each test
}

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
	h := &host{run: "smrt_" + strings.ToLower(rand.Text()[:8]), templates: map[string]*template{}}
	if dsn := os.Getenv("SMRT_TEST_DSN"); dsn != "" {
		h.Server = &Server{name: "external", external: dsn}
	} else if dir := os.Getenv(ServerVariable); dir != "" {
		h.Server = attach(dir)
	} else if h.Server, err = Start(ctx, Config{MaxConnections: serverConnections()}); err != nil {
		return nil, err
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
	var errs []error
	if h.external != "" {
		for _, name := range h.examples {
			errs = append(errs, h.DropDatabase(context.Background(), name))
		}
		for name := range h.templates {
			errs = append(errs, h.DropDatabase(context.Background(), h.templateName(name)))
		}
	}
	return errors.Join(append(errs, h.Close())...)
}

// newDatabase copies the schema's template, which it makes if this is the first copy, and returns the name.
func (h *host) newDatabase(ctx context.Context, schema Schema) (string, error) {
	h.mu.Lock()
	h.count++
	name := fmt.Sprintf("%s_%d", h.run, h.count)
	tmpl := h.templates[schema.Name]
	if tmpl == nil {
		tmpl = &template{}
		h.templates[schema.Name] = tmpl
	}
	h.mu.Unlock()
	if schema.Apply == nil {
		return name, h.CreateDatabase(ctx, name, "template0")
	}
	tmpl.once.Do(func() { tmpl.err = h.makeTemplate(ctx, schema) })
	if tmpl.err != nil {
		return "", fmt.Errorf("schema %s: %w", cmp.Or(schema.Title, schema.Name), tmpl.err)
	}
	return name, h.CreateDatabase(ctx, name, h.templateName(schema.Name))
}

func (h *host) makeTemplate(ctx context.Context, schema Schema) error {
	name := h.templateName(schema.Name)
	if err := h.CreateDatabase(ctx, name, "template0"); err != nil {
		return err
	}
	if err := schema.Apply(ctx, h.DSN(name)); err != nil {
		return err
	}
	return h.sealTemplate(ctx, name)
}

func (h *host) templateName(schema string) string { return h.run + "_template_" + schema }
