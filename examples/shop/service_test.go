package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/smrttest"
)

func TestConfig(t *testing.T) {
	good := map[string]string{"DATABASE_URL": "postgres://db/shop", "TOKEN_SECRET": "0123456789abcdef"}
	cfg, err := configFrom(func(name string) string { return good[name] })
	if err != nil || cfg.MaxConns != 8 || cfg.CallTimeout != 2*time.Second || cfg.ReplicaURLs != nil {
		t.Error(cfg, err)
	}
	for name, values := range map[string][]string{
		"DATABASE_URL": {""},
		"TOKEN_SECRET": {"", "too short"},
		"ADDR":         {"8080"},
		"OPS_ADDR":     {"localhost"},
		"MAX_CONNS":    {"0", "many", "1001"},
		"RATE":         {"-1"},
		"CALL_TIMEOUT": {"2", "-1s", "0s"},
		"REPLICA_URLS": {"postgres://a,"},
	} {
		for _, value := range values {
			_, err := configFrom(func(n string) string {
				if n == name {
					return value
				}
				return good[n]
			})
			var wrong *ConfigError
			if !errors.As(err, &wrong) || wrong.Variable != name {
				t.Errorf("%s=%q: %v", name, value, err)
			}
			if value != "" && strings.Contains(fmt.Sprint(err), "="+value) {
				t.Errorf("%s: the error has the value: %v", name, err)
			}
		}
	}
	_, err = configFrom(func(string) string { return "" })
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Error("not all that is wrong is told at once:", err)
	}
}

func TestRates(t *testing.T) {
	t.Parallel()
	f := opened(t, func(c *Config) { c.Rate = 1 })
	// A bucket has ten points, and a further one in a minute.
	var refused answered
	f.eventually("a client without points is refused", func() bool {
		refused = f.get("/products", clientHeader, "eager")
		return refused.status != 200
	})
	f.expect("a client without points", refused, 429, `{"title":"Too Many Requests"}`)
	if refused.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	f.expect("another client", f.get("/products", clientHeader, "calm"), 200)
	f.expect("the client of another tenant", f.get("/products", clientHeader, "eager", tenantHeader, "2"), 200)
}

// locked locks a product until the function that it returns is called.
func (f *fixture) locked(id int64) (release func()) {
	f.t.Helper()
	conn, err := pgx.Connect(f.t.Context(), f.cfg.DatabaseURL)
	f.must(err)
	_, err = conn.Exec(f.t.Context(), "BEGIN")
	f.must(err)
	_, err = conn.Exec(f.t.Context(), "SELECT FROM products WHERE id = $1 FOR UPDATE", id)
	f.must(err)
	return func() { f.must(conn.Close(context.Background())) }
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	f := opened(t)
	f.must(f.stop(nil))
	short := startOn(t, func(c *Config) { c.DatabaseURL, c.CallTimeout = f.cfg.DatabaseURL, 300*time.Millisecond })
	defer f.locked(f.assam.ID)()
	wanted := Wanted{Customer: "ada", Lines: []WantedLine{{f.assam.ID, 1}}}
	f.expect("an order that waits", short.send("POST", "/orders", wanted, keyHeader, "the first"), 504)
}

func TestOperators(t *testing.T) {
	t.Parallel()
	f := opened(t)
	f.expect("alive", f.get("/healthz", tenantHeader, ""), 200)
	f.expect("ready", f.get("/readyz", tenantHeader, ""), 200)
	f.expect("products", f.get("/products"), 200)
	f.expect("metrics for clients", f.get("/metrics", tenantHeader, ""), 401)
	clients := f.addr
	f.addr = f.opsAddr
	f.expect("metrics", f.get("/metrics"), 200, `smrt_statements_total`, `table="products"`, `smrt_replica_up`)
	f.expect("the live page", f.get("/debug/database"), 200, "products.find", "router")
	f.expect("the page as JSON", f.get("/debug/database?format=json"), 200, `"products.find"`)
	f.addr = clients
}

// TestShutdown stops the service while an order waits for a lock: new connections are refused, and
// the order is answered.
func TestShutdown(t *testing.T) {
	t.Parallel()
	f := opened(t)
	release := f.locked(f.assam.ID)
	order, ended := make(chan answered, 1), make(chan error, 1)
	go func() {
		wanted := Wanted{Customer: "ada", Lines: []WantedLine{{f.assam.ID, 1}}}
		a, err := f.call(context.Background(), "POST", "/orders", wanted, keyHeader, "the last order")
		if err != nil {
			t.Error(err)
		}
		order <- a
	}()
	f.eventually("the order waits", func() bool {
		var n int
		f.must(f.db.router.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()").Scan(&n))
		return n > 0
	})
	go func() { ended <- f.stop(nil) }()
	f.eventually("connections are refused", func() bool {
		_, err := f.call(t.Context(), "GET", "/healthz", nil)
		return err != nil
	})
	select {
	case err := <-ended:
		t.Fatal("the service did not wait for the order:", err)
	default:
	}
	release()
	f.expect("the order", <-order, 201)
	f.must(<-ended)
}

// TestRun runs the whole program, which ends in order when it is told to.
func TestRun(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"DATABASE_URL": dsn(t), "TOKEN_SECRET": "0123456789abcdef",
		"ADDR": "127.0.0.1:0", "OPS_ADDR": "127.0.0.1:0", "MAX_CONNS": "2",
	}
	getenv := func(name string) string { return env[name] }
	ctx, cancel := context.WithCancel(t.Context())
	var out strings.Builder
	err := run(ctx, getenv, writer(func(p []byte) (int, error) {
		cancel() // it is open
		return out.Write(p)
	}))
	if err != nil || !strings.Contains(out.String(), "http://127.0.0.1:") {
		t.Error(out.String(), err)
	}
	env["OPS_ADDR"] = "192.0.2.1:80" // of no machine
	if err := run(t.Context(), getenv, &out); err == nil {
		t.Error("an address of another machine")
	}
	env["OPS_ADDR"] = "nowhere"
	var wrong *ConfigError
	if err := run(t.Context(), getenv, &out); !errors.As(err, &wrong) {
		t.Error(err)
	}
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// TestReplicas pauses the standby: who has written sees it all the same.
func TestReplicas(t *testing.T) {
	t.Parallel()
	servers := smrttest.Replicas(t, migrations, 1)
	f := startOn(t, func(c *Config) {
		c.DatabaseURL, c.ReplicaURLs = servers.Primary.DSN(), []string{servers.Standbys[0].DSN()}
	})
	f.seed()
	f.must(servers.WaitForReplay(t.Context()))
	f.must(servers.Standbys[0].PauseReplay(t.Context()))
	wanted := Wanted{Customer: "ada", Lines: []WantedLine{{f.assam.ID, 1}}}
	a := f.send("POST", "/orders", wanted, keyHeader, "the first")
	f.expect("an order", a, 201)
	path, session := a.header.Get("Location"), a.header.Get(sessionHeader)
	f.expect("the order, for who placed it", f.get(path, sessionHeader, session), 200)
	f.eventually("others read from the standby", func() bool { return f.get(path).status == 404 })
	f.eventually("so does a session that is none", func() bool { return f.get(path, sessionHeader, "made up").status == 404 })
	f.expect("again", f.get(path, sessionHeader, session), 200)
	f.must(servers.Standbys[0].ResumeReplay(t.Context()))
	f.eventually("others see it at last", func() bool { return f.get(path).status == 200 })

	f.must(servers.Standbys[0].Stop(t.Context()))
	f.must(servers.Primary.Stop(t.Context()))
	f.expect("alive without a server", f.get("/healthz"), 200)
	f.eventually("not ready", func() bool { return f.get("/readyz").status == 503 })
}

// TestDockerfile compares what the image is made of with what is there.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)
	if version == nil || !strings.Contains(string(text), "FROM golang:"+string(version[1])+"-") {
		t.Errorf("the image is built with another Go than %s", version)
	}
	copied := regexp.MustCompile(`(?m)^COPY (.*) \S+$`).FindAllStringSubmatch(string(text), -1)
	if len(copied) < 2 {
		t.Fatal("nothing is copied:", copied)
	}
	for _, line := range copied {
		if strings.HasPrefix(line[1], "--from=") {
			continue
		}
		for path := range strings.FieldsSeq(line[1]) {
			if _, err := os.Stat(filepath.Join("..", "..", path)); err != nil {
				t.Error(err)
			}
		}
	}
	for _, line := range []string{"CGO_ENABLED=0", "USER 65532", `ENTRYPOINT ["/shop"]`} {
		if !strings.Contains(string(text), line) {
			t.Error("there is no", line)
		}
	}
}

// TestAnswers compares answers to what seldom happens.
func TestAnswers(t *testing.T) {
	for _, tc := range []struct {
		err    error
		status int
	}{
		{fmt.Errorf("an order: %w", errKeyReused), 422},
		{&http.MaxBytesError{}, 413},
		{errors.New("disk on fire"), 500},
	} {
		header := http.Header{}
		status, problem := problemOf(header, tc.err)
		text, err := json.Marshal(problem)
		if status != tc.status || err != nil || strings.Contains(string(text), "fire") {
			t.Error(tc.err, status, string(text), err)
		}
	}
}
