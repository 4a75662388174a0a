package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/smrttest"

	"github.com/smrt-go/smrt/examples/shop/db"
	"github.com/smrt-go/smrt/examples/shop/tables"
)

func TestMain(m *testing.M) { smrttest.Main(m) }

var migrations = smrttest.SQLFiles(os.DirFS("migrations"), "*.sql")

// patience is for what must happen and takes as long as a slow machine takes.
const patience = time.Minute

// fixture is a service that is open, with a few things in it.
type fixture struct {
	t *testing.T
	*service
	tea, pots             db.Category
	assam, sencha, kettle db.Product
}

const tenant, otherTenant = 1, 2

// opened opens the service on a database of its own.
func opened(t *testing.T, change ...func(*Config)) *fixture {
	t.Helper()
	f := startOn(t, append([]func(*Config){func(c *Config) { c.DatabaseURL = dsn(t) }}, change...)...)
	f.seed()
	return f
}

func dsn(t *testing.T) string { return smrttest.DSN(t, migrations) }

// startOn opens the service as a configuration says.
func startOn(t *testing.T, change ...func(*Config)) *fixture {
	t.Helper()
	cfg := Config{
		TokenSecret: []byte("a secret of tests"), Addr: "127.0.0.1:0", OpsAddr: "127.0.0.1:0",
		MaxConns: 4, Rate: 10_000_000, CallTimeout: patience, DrainTime: patience,
	}
	for _, c := range change {
		c(&cfg)
	}
	s, err := start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(nil); err != nil {
			t.Error("stop:", err)
		}
	})
	return &fixture{t: t, service: s}
}

// seed makes two categories and three products.
func (f *fixture) seed() {
	f.t.Helper()
	ctx := smrt.WithTenant(f.t.Context(), int64(tenant))
	categories, products := repo.New(f.db.router, tables.Categories.Table), repo.New(f.db.router, tables.Products.Table)
	f.tea, f.pots = db.Category{Name: "Tea"}, db.Category{Name: "Pots"}
	f.must(errors.Join(categories.Create(ctx, &f.tea), categories.Create(ctx, &f.pots)))
	f.assam = db.Product{CategoryID: f.tea.ID, SKU: "T1", Name: "Assam", Description: "Strong black tea", PriceCents: 4_90, Stock: 3}
	f.sencha = db.Product{CategoryID: f.tea.ID, SKU: "T2", Name: "Sencha", Description: "Green tea", PriceCents: 7_90}
	f.kettle = db.Product{CategoryID: f.pots.ID, SKU: "P1", Name: "Kettle", Description: "Boils water for tea", PriceCents: 39_00, Stock: 5}
	for _, p := range []*db.Product{&f.assam, &f.sencha, &f.kettle} {
		f.must(products.Create(ctx, p))
	}
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// answered is what the service said.
type answered struct {
	status int
	header http.Header
	body   string
}

// into decodes the body.
func (a answered) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

// call sends a request of the tenant, with pairs of headers; those that are empty are left out.
func (f *fixture) call(ctx context.Context, method, path string, body any, headers ...string) (answered, error) {
	var sent io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		sent = strings.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return answered{}, err
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+f.addr+path, sent)
	if err != nil {
		return answered{}, err
	}
	r.Header.Set(tenantHeader, strconv.Itoa(tenant))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	w, err := client.Do(r)
	if err != nil {
		return answered{}, err
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	return answered{w.StatusCode, w.Header, string(text)}, err
}

// get sends a request without a body.
func (f *fixture) get(path string, headers ...string) answered {
	f.t.Helper()
	return f.send("GET", path, nil, headers...)
}

// send sends a request that gets an answer.
func (f *fixture) send(method, path string, body any, headers ...string) answered {
	f.t.Helper()
	a, err := f.call(f.t.Context(), method, path, body, headers...)
	f.must(err)
	return a
}

// expect fails the test if an answer is another one.
func (f *fixture) expect(what string, a answered, status int, parts ...string) {
	f.t.Helper()
	if a.status != status {
		f.t.Errorf("%s: status %d, not %d: %s", what, a.status, status, a.body)
	}
	for _, part := range parts {
		if !strings.Contains(a.body, part) {
			f.t.Errorf("%s: no %q in %s", what, part, a.body)
		}
	}
}

// eventually waits until a condition holds.
func (f *fixture) eventually(what string, holds func() bool) {
	f.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatal("it did not happen: " + what)
		}
	}
}

func skus[P any](ps []P, sku func(P) string) string {
	var list []string
	for _, p := range ps {
		list = append(list, sku(p))
	}
	return fmt.Sprint(list)
}
