package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/smrt-go/smrt/examples/shop/internal/fill"
	"github.com/smrt-go/smrt/examples/shop/internal/load"
)

// TestLoad sends every kind of request from several connections at once. Each answer must be right;
// answers that are changed on the way are the control.
func TestLoad(t *testing.T) {
	t.Parallel()
	f := startOn(t, func(c *Config) { c.DatabaseURL = dsn(t) })
	f.must(fill.Tenants(t.Context(), f.db.router, 1000))
	var out strings.Builder
	options := load.Options{URL: "http://" + f.addr, Connections: 4, Duration: 300 * time.Millisecond, Out: &out}
	f.must(load.Run(options))
	for _, part := range []string{"product ", "all ", "requests/s", " 0\n"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q in the report:\n%s", part, out.String())
		}
	}
	behind, err := url.Parse(options.URL)
	f.must(err)
	proxy := httputil.NewSingleHostReverseProxy(behind)
	proxy.Transport = &http.Transport{DisableKeepAlives: true}
	options.Out, options.Only = io.Discard, "product"
	for what, wrong := range map[string]http.HandlerFunc{
		"another product": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":-1,"sku":""}`) },
		"an error":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
	} {
		mux := http.NewServeMux()
		mux.Handle("/", proxy)
		mux.Handle("/products/{id}", wrong)
		server := httptest.NewServer(mux)
		options.URL = server.URL
		if err := load.Run(options); err == nil {
			t.Error(what, "was not noticed")
		}
		server.Close()
	}
}
