package readreplica_test

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
)

// service is one process of a web service: it counts, and shows the count.
func service(t *testing.T, c *cluster, h readreplica.HTTP) (*httptest.Server, *readreplica.Router) {
	r := c.open(t)
	rows := repo.New(r, counters)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(w http.ResponseWriter, req *http.Request) {
		if _, err := r.Exec(req.Context(), "UPDATE counters SET n = n + 1 WHERE id = 1"); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, req *http.Request) {
		got, err := rows.Get(req.Context(), 1)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, got.N)
	})
	mux.HandleFunc("GET /static", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() })
	handler, err := r.Middleware(h, mux)
	check.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server, r
}

// TestMiddleware lets one user write in one process and read in another, by
// cookie and by header.
func TestMiddleware(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 100*time.Millisecond)
	for _, h := range []readreplica.HTTP{{Insecure: true}, {Header: "X-Reads"}, {Cookie: "c", Path: "/", Insecure: true, WritesOnly: true}} {
		writer, _ := service(t, c, h)
		reader, r := service(t, c, h)
		jar := check.Value(cookiejar.New(nil))(t)
		client := &http.Client{Jar: jar}
		token := ""
		do := func(method, url string) (string, *http.Response) {
			t.Helper()
			req := check.Value(http.NewRequestWithContext(t.Context(), method, url, nil))(t)
			if h.Header != "" {
				req.Header.Set(h.Header, token)
			}
			res := check.Value(client.Do(req))(t)
			defer res.Body.Close()
			check.Same(t, "status", res.StatusCode, http.StatusOK)
			if h.Header != "" && res.Header.Get(h.Header) != "" {
				token = res.Header.Get(h.Header)
			}
			var body strings.Builder
			buf := make([]byte, 64)
			n, _ := res.Body.Read(buf)
			body.Write(buf[:n])
			return body.String(), res
		}
		before, res := do("GET", reader.URL)
		marked := res.Header.Get("Set-Cookie") + res.Header.Get("X-Reads")
		check.Same(t, "a response to a read has a token", marked != "", !h.WritesOnly)
		var n int
		fmt.Sscan(before, &n)
		for i := range 5 {
			do("POST", writer.URL)
			got, _ := do("GET", reader.URL) // cookies do not look at ports
			check.Same(t, "count", got, fmt.Sprint(n+i+1))
		}
		_, res = do("GET", reader.URL+"/static")
		check.Same(t, "a response without reads has the session's token", res.Header.Get("Set-Cookie")+res.Header.Get("X-Reads") != "", !h.WritesOnly)

		if h.Header != "" {
			token = "forged"
			do("GET", reader.URL)
			check.Same(t, "bad tokens", r.Stats().BadTokens, 1)
		}
	}
}

// TestBadMiddleware refuses what cannot work.
func TestBadMiddleware(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	r := c.open(t)
	_, err := r.Middleware(readreplica.HTTP{}, nil)
	check.Error(t, "no handler", err, smrt.ErrBadOptions)
	_, err = r.Middleware(readreplica.HTTP{Cookie: "a", Header: "b"}, http.NotFoundHandler())
	check.Error(t, "both ways", err, smrt.ErrBadOptions)
	plain := c.open(t, func(cfg *readreplica.Config) { cfg.TokenSecret = nil })
	_, err = plain.Middleware(readreplica.HTTP{}, http.NotFoundHandler())
	check.Error(t, "no secret", err, smrt.ErrBadOptions)
	_, err = plain.Token(readreplica.WithSession(t.Context()))
	check.Error(t, "no secret", err, smrt.ErrBadOptions)
	_, err = r.Token(t.Context())
	check.Error(t, "no session", err, smrt.ErrBadOptions)
}
