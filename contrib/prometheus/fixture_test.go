package smrtprom_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/smrt-go/smrt"
	smrtprom "github.com/smrt-go/smrt/contrib/prometheus"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/smrttest"
)

func TestMain(m *testing.M) { smrttest.Main(m) }

const tableCount = 50

// note is a row of each of the tables.
type note struct {
	ID     int64
	Tenant string
}

// schema has fifty tables whose rows belong to tenants.
var schema = func() smrttest.Schema {
	var texts []string
	for i := range tableCount {
		texts = append(texts, fmt.Sprintf("CREATE TABLE notes%d (id bigint PRIMARY KEY, tenant text NOT NULL)", i))
	}
	return smrttest.SQL(texts...)
}()

// notes are the tables.
var notes = func() (all []*query.Table[note, int64]) {
	for i := range tableCount {
		all = append(all, query.NewTable(fmt.Sprint("notes", i), func(n *note) *int64 { return &n.ID }, query.KeyByClient[note]()))
	}
	return all
}()

// open opens a pool that is observed.
func open(t *testing.T, c observe.Config) (*observe.Observer, *pool.Pool) {
	t.Helper()
	o := check.Value(observe.New(c))(t)
	below := smrttest.Pool(t, schema)
	mode := below.Config().ConnConfig.DefaultQueryExecMode
	p := check.Value(pool.Open(t.Context(), pool.Config{
		URL: below.Config().ConnString(), Profile: pool.Test, MaxConns: below.Config().MaxConns,
		Classes: map[string]int{"report": 1},
		Configure: func(c *pgxpool.Config) {
			c.ConnConfig.DefaultQueryExecMode = mode
			o.Configure(c)
		},
	}))(t)
	t.Cleanup(p.Close)
	return o, p
}

// table returns a repository of the table with this number.
func table(db smrt.DB, i int) *repo.Repository[note, int64] {
	return repo.New(db, notes[i], repo.Options{Batching: repo.Batching{Off: true}})
}

// site is where a collector is scraped.
type site struct {
	url      string
	server   *httptest.Server
	registry *prometheus.Registry
}

// serve registers a collector, and serves it as a program does.
func serve(t *testing.T, c smrtprom.Config) *site {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(check.Value(smrtprom.New(c))(t))
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.Cleanup(server.Close)
	return &site{url: server.URL, server: server, registry: registry}
}

// text scrapes the site.
func (s *site) text(t *testing.T) string {
	t.Helper()
	response := check.Value(s.server.Client().Get(s.url))(t)
	defer func() { check.NoError(t, response.Body.Close()) }()
	body := string(check.Value(io.ReadAll(response.Body))(t))
	if response.StatusCode != 200 {
		t.Fatalf("%s\n%s", response.Status, body)
	}
	return body
}

// samples are the values of a scrape by their series, as the text has them.
func samples(t *testing.T, text string) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		at := strings.LastIndexByte(lines.Text(), ' ')
		all[lines.Text()[:at]] = check.Value(strconv.ParseFloat(lines.Text()[at+1:], 64))(t)
	}
	return all
}

func main1(t *testing.T, c observe.Config) (*site, *pool.Pool) {
	t.Helper()
	o, p := open(t, c)
	return serve(t, smrtprom.Config{
		Observers: map[string]*observe.Observer{"main": o}, Pools: map[string]*pool.Pool{"main": p}, PoolTimes: true,
	}), p
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	return check.Value(os.ReadFile(file))(t)
}
