package observe_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/traced"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/txn"
)

// TestPageIsForThisMachine: without a function that allows more, only requests of this
// machine are answered, whatever a client or a page of another site says.
func TestPageIsForThisMachine(t *testing.T) {
	t.Parallel()
	closed := handler(t, newObserver(t, observe.Config{}), observe.PageConfig{})
	open := handler(t, newObserver(t, observe.Config{}), observe.PageConfig{
		Allow: func(r *http.Request) bool { return r.Header.Get("Authorization") == "yes" },
	})
	for what, c := range map[string]struct {
		from, host, header string
		want               int
	}{
		"IPv4":                       {"127.0.0.1:4000", "127.0.0.1:8080", "", 200},
		"another address of IPv4":    {"127.8.0.1:4000", "localhost", "", 200},
		"IPv6":                       {"[::1]:4000", "[::1]:8080", "", 200},
		"IPv6 without a port":        {"[::1]:4000", "[::1]", "", 200},
		"IPv4 in IPv6":               {"[::ffff:127.0.0.1]:4000", "LOCALHOST:8080", "", 200},
		"a neighbour":                {"192.168.0.7:4000", "localhost:8080", "", 403},
		"a neighbour by IPv6":        {"[fe80::1%eth0]:4000", "localhost:8080", "", 403},
		"an address that is none":    {"127.0.0.1", "localhost:8080", "", 403},
		"a socket":                   {"@", "localhost", "", 403},
		"a name that leads here":     {"127.0.0.1:4000", "attacker.example:8080", "", 403},
		"a name like a loopback one": {"127.0.0.1:4000", "localhost.attacker.example", "", 403},
		"an address of the network":  {"127.0.0.1:4000", "192.168.0.2:8080", "", 403},
		"no host":                    {"127.0.0.1:4000", "", "", 403},
		"a proxy":                    {"127.0.0.1:4000", "localhost:8080", "X-Forwarded-For", 403},
		"a proxy of the standard":    {"127.0.0.1:4000", "localhost:8080", "Forwarded", 403},
		"a proxy that says so":       {"127.0.0.1:4000", "localhost:8080", "Via", 403},
		"nginx":                      {"127.0.0.1:4000", "localhost:8080", "X-Real-IP", 403},
		"a proxy that says nothing":  {"127.0.0.1:4000", "localhost:8080", "X-Forwarded-Proto", 403},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Host = c.from, c.host
		if c.header != "" {
			r.Header.Set(c.header, "127.0.0.1")
		}
		w := get(closed, r)
		check.Same(t, what, w.Code, c.want)
		if c.want == 403 && (!strings.Contains(w.Body.String(), "PageConfig.Allow") || strings.Contains(w.Body.String(), "shapes")) {
			t.Errorf("%s: the refusal is %q", what, w.Body)
		}
		check.Same(t, what+", of nobody who is known", get(open, r).Code, 403)
		r.Header.Set("Authorization", "yes")
		check.Same(t, what+", of somebody who is known", get(open, r).Code, 200)
		check.Same(t, what+", by what a client may say", get(closed, r).Code, c.want)
	}
}

// TestPageOnlyReads: whatever the method, nothing is changed, and what the browser may
// do with the page is as little as it needs.
func TestPageOnlyReads(t *testing.T) {
	t.Parallel()
	o := newObserver(t, observe.Config{})
	observe.Record(o, "SELECT 1", time.Millisecond)
	h := handler(t, o, observe.PageConfig{})
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "PUT": 405, "PATCH": 405, "DELETE": 405, "OPTIONS": 405, "CONNECT": 405, "X": 405} {
		r := local("/?reset=1")
		r.Method = method
		w := get(h, r)
		check.Same(t, method, w.Code, want)
		check.Same(t, "the policy for "+method, strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-"), true)
		for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
			check.Same(t, name+" for "+method, w.Header().Get(name), want)
		}
		if method == "HEAD" {
			check.Same(t, "the body for HEAD", w.Body.Len(), 0)
		}
	}
	if n := o.Snapshot().Total().Calls; n != 1 {
		t.Errorf("%d calls are left, want 1", n)
	}
}

// TestPageShowsNoValues, nor runs what is hidden in texts and names: neither in HTML
// nor in JSON.
func TestPageShowsNoValues(t *testing.T) {
	t.Parallel()
	const attack = `"></style><script>alert(1)</script><img src=x onerror=alert(1)>&amp;`
	ctx := t.Context()
	o, _, p := observedPool(t, observe.Config{Slow: observe.SlowLog{Threshold: time.Nanosecond, PerSecond: 1000}, Logger: quietly}, 2)
	other := testdbConn(t, p.Config().ConnConfig, attack[:40])
	request := observe.WithScope(ctx, observe.Options{Policy: observe.Ignore, Limit: 1, MaxCalls: 2})
	for range 4 {
		_, err := p.Exec(request, "SELECT '"+secret+"', $1::text /* "+secret+" */ AS "+pgx.Identifier{attack}.Sanitize(), secret)
		check.NoError(t, err)
		_, err = p.Exec(request, "-- name: "+attack+" :exec\nSELECT $tag$"+secret+"$tag$, 4111222233334444")
		check.NoError(t, err)
		_, err = p.Exec(ctx, "SELECT '"+secret+"' FROM "+pgx.Identifier{attack}.Sanitize())
		check.Error(t, "a table that is not there", err, err)
		_, err = p.Exec(ctx, "SELECT E'\\'"+secret+" never ends")
		check.Error(t, "a literal without end", err, err)
	}
	tx := check.Value(other.Begin(ctx))(t)
	defer func() { _ = tx.Rollback(ctx) }()
	_, err := tx.Exec(ctx, "SELECT '"+secret+"' AS "+pgx.Identifier{attack}.Sanitize())
	check.NoError(t, err)

	h := handler(t, o, observe.PageConfig{Title: attack, Handles: map[string]smrt.DB{attack: p}, Server: p})
	for _, target := range []string{"/", "/?by=calls", "/?by=errors", "/?format=json", "/?by=" + "%22%3E%3Cscript%3E", "/?refresh=%22%3E%3Cscript%3E"} {
		w := get(h, local(target))
		body := w.Body.String()
		check.Same(t, target, w.Code, 200)
		if strings.Contains(body, secret) || strings.Contains(body, "4111222233334444") {
			t.Errorf("%s: a value is on the page", target)
		}
		if !strings.Contains(html.UnescapeString(body), "alert(1)") || !strings.Contains(body, "idle in transaction") {
			t.Errorf("%s: what was to be shown is not there:\n%s", target, body)
		}
		if lower := strings.ToLower(body); strings.Contains(lower, "<script") || strings.Contains(lower, "<img") || strings.Count(lower, "</style>") > 1 {
			t.Errorf("%s: a text is not escaped", target)
		}
	}
}

// testdbConn opens a connection of another application.
func testdbConn(t testing.TB, like *pgx.ConnConfig, application string) *pgx.Conn {
	t.Helper()
	c := like.Copy()
	c.Tracer, c.RuntimeParams["application_name"] = nil, application
	conn := check.Value(pgx.ConnectConfig(t.Context(), c))(t)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// shown is the part of the JSON that tests read.
type shown struct {
	Texts      int
	Statements []struct {
		Name, SQL            string
		Calls, Rows, Failed  uint64
		Errors               map[string]uint64
		Total, Server, Max   float64
		Waited, Decoded, P99 float64
	}
	Total struct{ Calls, Failed uint64 }
	Slow  struct {
		On    bool
		Calls []struct{ Name, SQL, Outcome, SQLState, Site string }
	}
	Transactions struct {
		Begun, Open, Committed uint64
		RolledBack             uint64 `json:"rolled_back"`
		InDoubt                uint64 `json:"in_doubt"`
		Retried                map[string]uint64
		P99                    float64
		TimeOpen               float64 `json:"time_open"`
		Recent                 []struct {
			Ending, Outcome, SQLState, Cause string
			Attempt                          int
			TimeOpen                         float64 `json:"time_open"`
		}
	}
	Findings []struct {
		Kind, SQL, Site string
		Times           uint64
		Calls           int
	}
	Pools []struct {
		Name  string
		Max   int32
		InUse int32 `json:"in_use"`
	}
	Routers []struct {
		Name  string
		Nodes []struct{ Name, Role, State string }
	}
	Memory []struct {
		Name     string
		Capacity int
	}
	Server *struct {
		Error   string
		Running []struct {
			Name, SQL, State, Wait string
		}
	}
}

// read returns what a page shows, as JSON.
func read(t testing.TB, h http.Handler, target string) (s shown) {
	t.Helper()
	r := local(target)
	r.Header.Set("Accept", "application/json")
	w := get(h, r)
	check.Same(t, "type", w.Header().Get("Content-Type"), "application/json")
	check.NoError(t, json.Unmarshal(w.Body.Bytes(), &s))
	return s
}

// TestPageShows: what the Observer has, in the order that is wanted.
func TestPageShows(t *testing.T) {
	t.Parallel()
	h, o, _ := tradedShop(t, 12)
	s, total := read(t, h, "/?by=errors"), o.Snapshot().Total()
	if s.Total.Failed != 3 || s.Total.Failed != total.Failed || s.Total.Calls > total.Calls || s.Total.Calls == 0 {
		t.Errorf("the sum is %+v, of %+v", s.Total, total)
	}
	first := s.Statements[0]
	check.Same(t, "what fails", first.Name, "categories.create")
	check.Same(t, "how often", first.Errors["23505"], 3)
	if first.Server <= 0 || first.Max < first.P99/1.07 || first.Max > first.Total {
		t.Errorf("its times are %+v", first)
	}
	byCalls := read(t, h, "/?by=calls")
	for i := 1; i < len(byCalls.Statements); i++ {
		if byCalls.Statements[i].Calls > byCalls.Statements[i-1].Calls {
			t.Error("statements by calls are not in order")
		}
	}
	slept := false
	for _, c := range s.Slow.Calls { // others may be slow on a busy machine
		slept = slept || strings.HasPrefix(c.SQL, "SELECT pg_sleep(?)") && strings.Contains(c.Site, "page_test.go")
	}
	if !s.Slow.On || !slept {
		t.Errorf("the slow log is %+v", s.Slow)
	}
	kinds := map[string]int{}
	for _, f := range s.Findings {
		if f.Kind == "idle transaction" {
			continue // the machine was busy
		}
		kinds[f.Kind] = f.Calls
		if f.Times != 1 || !strings.Contains(f.Site, "page_test.go") {
			t.Errorf("a finding is %+v", f)
		}
	}
	check.Equal(t, "findings", kinds, map[string]int{"loop": 0, "budget": 8})
	if len(s.Pools) != 1 || s.Pools[0].Name != "main" || s.Pools[0].Max != 3 {
		t.Errorf("pools are %+v", s.Pools)
	}
	if len(s.Memory) != len(observe.Memory()) {
		t.Errorf("memory is %+v", s.Memory)
	}
	check.Same(t, "the error of the server", s.Server.Error, "")
	body := get(h, local("/?by=rows&refresh=10")).Body.String()
	for _, want := range []string{`aria-sort="descending"><a href="?by=rows&amp;refresh=10"`, `http-equiv="refresh" content="10"`, "products.find", `href="?refresh=10"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not have %s", want)
		}
	}
}

// TestPageNamesWhatRuns on the server: by text, and by the beginning of one that the
// server has no room for.
func TestPageNamesWhatRuns(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, _, p := observedPool(t, observe.Config{Slow: observe.SlowLog{Threshold: -1}}, 4)
	other := testdbConn(t, p.Config().ConnConfig, "nightly")
	begin := func(db txn.Beginner, sql string) {
		tx := check.Value(db.Begin(ctx))(t)
		t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(ctx)) })
		_, err := tx.Exec(ctx, sql)
		check.NoError(t, err)
	}
	long := "SELECT " + strings.Repeat("1 + ", 600) + "1"
	begin(p, "-- name: NightlyReport :exec\nSELECT 1")
	begin(p, long)
	begin(other, "SELECT 2 AS other")
	h := handler(t, o, observe.PageConfig{Server: p})
	s := read(t, h, "/")
	if s.Slow.On {
		t.Error("a slow log that is off is shown as on")
	}
	check.Equal(t, "what runs", s.running(), map[string]string{
		"SELECT ?": "NightlyReport", "SELECT ? + ?": "raw", "SELECT ? AS o": "",
	})
}

// running returns the names of what runs, by the beginning of its text. The server may
// clean up meanwhile.
func (s *shown) running() map[string]string {
	got := map[string]string{}
	for _, r := range s.Server.Running {
		if strings.HasPrefix(r.SQL, "autovacuum: ") {
			continue
		}
		got[strings.TrimSpace(r.SQL[:min(len(r.SQL), 13)])] = r.Name
	}
	return got
}

// TestPageNamesByQueryID: a text that is no longer known, or that another has sent, has
// the name of what the server counts it with.
func TestPageNamesByQueryID(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, _, p := observedPool(t, observe.Config{Slow: observe.SlowLog{Threshold: -1}}, 2)
	other := testdbConn(t, p.Config().ConnConfig, "nightly")
	if _, err := other.Exec(ctx, "SET compute_query_id = on"); err != nil {
		t.Skipf("the role may not have statements counted: %v", err)
	}
	h := handler(t, o, observe.PageConfig{Server: p})
	for _, step := range []struct{ sql, want string }{
		{"SELECT 7 AS b, 'x'", ""},
		{"-- name: Counted :one\nSELECT 7 AS b, 'x'", "Counted"},
		{"SELECT 8 AS b, 'y'", "Counted"},
	} {
		_, err := other.Exec(ctx, "BEGIN")
		check.NoError(t, err)
		_, err = other.Exec(ctx, step.sql)
		check.NoError(t, err)
		observe.Forget(h)
		s := read(t, h, "/")
		check.Equal(t, step.sql, s.running(), map[string]string{"SELECT ? AS b": step.want})
		_, err = other.Exec(ctx, "ROLLBACK")
		check.NoError(t, err)
	}
}

// TestPageAsksForQueryIDs of texts that begin alike, which the server cuts off there. Where
// it counts no statements, what runs may be each of them.
func TestPageAsksForQueryIDs(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, _, p := observedPool(t, observe.Config{Slow: observe.SlowLog{Threshold: -1}}, 3)
	wide := "SELECT " + strings.Repeat("1 + ", 600) + "1 AS sum FROM categories WHERE "
	texts := map[string]*traced.Text{}
	for condition, operation := range map[string]string{"id = $1": "get", "id > $1": "find", "slug = $1 OR slug = $1": "exists"} {
		texts[operation] = traced.Keep(wide+condition, traced.Name{Table: "categories", Operation: operation})
		for range 2 {
			rows := check.Value(p.Query(ctx, wide+condition, map[bool]any{true: "1", false: 1}[operation == "exists"]))(t)
			rows.Close()
			check.NoError(t, rows.Err())
		}
	}
	runs := func(want string) {
		t.Helper()
		tx := check.Value(p.Begin(ctx))(t)
		defer func() { _ = tx.Rollback(ctx) }()
		rows := check.Value(tx.Query(ctx, wide+"id > $1", 1))(t)
		rows.Close()
		s := read(t, handler(t, o, observe.PageConfig{Server: p}), "/")
		if len(s.Server.Running) != 1 {
			t.Fatalf("what runs: %+v", s.Server)
		}
		got := strings.Split(s.Server.Running[0].Name, " or ")
		slices.Sort(got)
		check.Same(t, "what runs", strings.Join(got, " or "), want)
	}
	runs("categories.exists or categories.find or categories.get")
	if _, err := p.Exec(ctx, "ALTER DATABASE "+pgx.Identifier{p.Config().ConnConfig.Database}.Sanitize()+" SET compute_query_id = on"); err != nil {
		t.Skipf("the role may not have statements counted: %v", err)
	}
	p.Reset()
	runs("categories.find")
	runtime.KeepAlive(texts)
}

// TestPageWithoutServer: a page says that the server cannot be asked, and shows all
// else.
func TestPageWithoutServer(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, _, p := observedPool(t, observe.Config{}, 1)
	_, err := p.Exec(ctx, "SELECT 1")
	check.NoError(t, err)
	busy := check.Value(p.Acquire(ctx))(t)
	h := handler(t, o, observe.PageConfig{Server: p, ServerTimeout: 50 * time.Millisecond, Handles: map[string]smrt.DB{"main": p}})
	s := read(t, h, "/")
	check.Same(t, "while all connections are lent", s.Server.Error, "no answer within 50ms")
	check.Same(t, "their number", s.Pools[0].InUse, 1)
	busy.Release()
	p.Close()
	h = handler(t, o, observe.PageConfig{Server: p, Handles: map[string]smrt.DB{"main": p}})
	w := get(h, local("/"))
	if body := w.Body.String(); w.Code != 200 || !strings.Contains(body, "could not be asked: ") || !strings.Contains(body, "SELECT ?") {
		t.Errorf("without a server: %d %s", w.Code, body)
	}
}

// counting is a server that counts how many ask it at the same time.
type counting struct {
	smrt.DB
	now, most, all atomic.Int32
}

var errAsked = errors.New("asked")

func (c *counting) Query(ctx context.Context, _ string, _ ...any) (pgx.Rows, error) {
	c.all.Add(1)
	for now := c.now.Add(1); ; {
		most := c.most.Load()
		if now <= most || c.most.CompareAndSwap(most, now) {
			break
		}
	}
	defer c.now.Add(-1)
	<-ctx.Done() // as a server that does not answer
	return nil, errAsked
}

// TestPageAsksOnce: however many look at a page, one question is asked at a time, and
// it ends.
func TestPageAsksOnce(t *testing.T) {
	t.Parallel()
	server := &counting{}
	h := handler(t, newObserver(t, observe.Config{}), observe.PageConfig{Server: server, ServerTimeout: 20 * time.Millisecond})
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			w := get(h, local("/"))
			if w.Code != 200 || !strings.Contains(w.Body.String(), "no answer within 20ms") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	all.Wait()
	check.Same(t, "questions at the same time", server.most.Load(), 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if w := get(h, local("/").WithContext(ctx)); w.Code != 200 && w.Code != http.StatusServiceUnavailable {
		t.Errorf("a request that has ended: %d", w.Code)
	}
}

// TestPageShowsNodes of routers, also of one that is closed, and says of each whether it
// serves reads.
func TestPageShowsNodes(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, _, p := observedPool(t, observe.Config{}, 2)
	router := check.Value(readreplica.Open(ctx, readreplica.Config{
		Servers: []readreplica.Server{{Name: "first", URL: p.Config().ConnString()}}, Pool: pool.Config{Profile: pool.Test, MaxConns: 2},
	}))(t)
	defer router.Close()
	h := handler(t, o, observe.PageConfig{Handles: map[string]smrt.DB{"replicated": router}, Server: router})
	s := read(t, h, "/")
	if len(s.Routers) != 1 || s.Routers[0].Name != "replicated" || len(s.Routers[0].Nodes) != 1 || s.Server.Error != "" || len(s.Pools) != 0 {
		t.Fatalf("routers are %+v, the server %+v", s.Routers, s.Server)
	}
	if n := s.Routers[0].Nodes[0]; n.Name != "first" || n.Role != "primary" || n.State == "down" {
		t.Errorf("the node is %+v", n)
	}
	router.Close()
	observe.Forget(h)
	if s = read(t, h, "/"); len(s.Routers) != 1 || s.Server.Error == "" {
		t.Errorf("after it was closed: %+v, %+v", s.Routers, s.Server)
	}
	states := observe.StatesOf(
		readreplica.NodeStats{Primary: true, Up: true, Reading: true}, readreplica.NodeStats{Primary: true, Up: true},
		readreplica.NodeStats{Up: true, Reading: true}, readreplica.NodeStats{Up: true}, readreplica.NodeStats{Reading: true}, readreplica.NodeStats{Primary: true},
	)
	check.Equal(t, "states", states, []string{
		"primary reading", "primary up", "standby reading", "standby up, no reads", "standby down", "primary down",
	})
}

// TestPageConfig: what cannot be used is refused where the page is made.
func TestPageConfig(t *testing.T) {
	t.Parallel()
	o := newObserver(t, observe.Config{})
	for option, make := range map[string]func() (http.Handler, error){
		"observer":      func() (http.Handler, error) { return observe.Handler(nil, observe.PageConfig{}) },
		"ServerTimeout": func() (http.Handler, error) { return observe.Handler(o, observe.PageConfig{ServerTimeout: -1}) },
		"Handles": func() (http.Handler, error) {
			return observe.Handler(o, observe.PageConfig{Handles: map[string]smrt.DB{"main": nil}})
		},
	} {
		_, err := make()
		var bad *smrt.OptionsError
		if !errors.As(err, &bad) || bad.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
	_, err := observe.Handler(o, observe.PageConfig{Handles: map[string]smrt.DB{"main": &counting{}}})
	if err == nil || !strings.Contains(err.Error(), `a *observe_test.counting as "main"`) {
		t.Errorf("a handle that is no pool: %v", err)
	}
	w := get(handler(t, o, observe.PageConfig{Handles: map[string]smrt.DB{"pgx": unobserved(t)}}), local("/"))
	if body := check.Value(io.ReadAll(w.Body))(t); !strings.Contains(string(body), ">pgx<") || !strings.Contains(string(body), "No statement was seen yet") {
		t.Errorf("the page of a new observer: %s", body)
	}
	var _ smrt.DB = (*pgxpool.Pool)(nil)
}

// BenchmarkPage is of 1,000 texts. Without a server it is what a page costs the program.
func BenchmarkPage(b *testing.B) {
	o := newObserver(b, observe.Config{})
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		for range 200 {
			observe.Record(o, fmt.Sprintf("SELECT a, b, c FROM t%d WHERE id = $1 AND status = 'open'", i), time.Duration(r.ExpFloat64()*1e6))
		}
	}
	h := handler(b, o, observe.PageConfig{})
	var body int
	b.ReportAllocs()
	for b.Loop() {
		observe.Forget(h)
		body = get(h, local("/")).Body.Len()
	}
	b.ReportMetric(float64(body), "bytes/page")
}
