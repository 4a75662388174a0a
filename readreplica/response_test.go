package readreplica_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/readreplica"
)

// TestWhenTheTokenGoesOut proves of handlers of different manners that the token
// is in the header before anything is sent, and covers what was done until then.
func TestWhenTheTokenGoesOut(t *testing.T) {
	t.Parallel()
	_, r := openFake(t, func(cfg *readreplica.Config) { cfg.TokenSecret = []byte("0123456789abcdef") })
	write := func(req *http.Request) { check.Value(r.Exec(req.Context(), "UPDATE t"))(t) }
	for what, c := range map[string]struct {
		handler func(w http.ResponseWriter, req *http.Request)
		token   bool
	}{
		"nothing is done":      {func(http.ResponseWriter, *http.Request) {}, false},
		"nothing is written":   {func(_ http.ResponseWriter, req *http.Request) { write(req) }, true},
		"a body":               {func(w http.ResponseWriter, req *http.Request) { write(req); _, _ = w.Write([]byte("x")) }, true},
		"a status":             {func(w http.ResponseWriter, req *http.Request) { write(req); w.WriteHeader(http.StatusTeapot) }, true},
		"a flush":              {func(w http.ResponseWriter, req *http.Request) { write(req); w.(http.Flusher).Flush() }, true},
		"written after a body": {func(w http.ResponseWriter, req *http.Request) { _, _ = w.Write([]byte("x")); write(req) }, false},
		"early hints": {func(w http.ResponseWriter, req *http.Request) {
			w.WriteHeader(http.StatusEarlyHints) // is no beginning
			write(req)
			_, _ = w.Write([]byte("x"))
		}, true},
		"a controller": {func(w http.ResponseWriter, req *http.Request) {
			write(req)
			check.NoError(t, http.NewResponseController(w).Flush())
		}, true},
	} {
		handler := check.Value(r.Middleware(readreplica.HTTP{Header: "X-Reads"}, http.HandlerFunc(c.handler)))(t)
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/", nil))
		check.Same(t, what+": token", response.Header().Get("X-Reads") != "", c.token)
	}
}

// TestHijack proves that a handler can take the connection over, as for a web
// socket.
func TestHijack(t *testing.T) {
	t.Parallel()
	_, r := openFake(t, func(cfg *readreplica.Config) { cfg.TokenSecret = []byte("0123456789abcdef") })
	handler := check.Value(r.Middleware(readreplica.HTTP{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		check.NoError(t, err)
		_, _ = conn.Write([]byte("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"))
		check.NoError(t, conn.Close())
	})))(t)
	server := httptest.NewServer(handler)
	defer server.Close()
	response := check.Value(server.Client().Get(server.URL))(t)
	check.NoError(t, response.Body.Close())
	check.Same(t, "status", response.StatusCode, http.StatusNoContent)

	unable := check.Value(r.Middleware(readreplica.HTTP{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _, err := w.(http.Hijacker).Hijack()
		check.Error(t, "a response that cannot be taken over", err, http.ErrNotSupported)
	})))(t)
	unable.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
}

// TestCookie proves what the cookie is like: not for scripts, not without TLS, and
// not for longer than it means anything.
func TestCookie(t *testing.T) {
	t.Parallel()
	_, r := openFake(t, func(cfg *readreplica.Config) { cfg.TokenSecret = []byte("0123456789abcdef") })
	for what, c := range map[string]struct {
		h                 readreplica.HTTP
		name, path        string
		secure, writeOnly bool
	}{
		"defaults":    {readreplica.HTTP{}, "smrt-reads", "/", true, false},
		"own":         {readreplica.HTTP{Cookie: "c", Path: "/app", Insecure: true}, "c", "/app", false, false},
		"writes only": {readreplica.HTTP{WritesOnly: true}, "smrt-reads", "/", true, true},
	} {
		handler := check.Value(r.Middleware(c.h, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			if req.Method == http.MethodPost {
				check.Value(r.Exec(req.Context(), "UPDATE t"))(t)
				return
			}
			check.Value(r.Reader().Exec(req.Context(), "SELECT 1"))(t)
		})))(t)
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/", nil))
		check.Same(t, what+": cookies after a read", len(response.Result().Cookies()) == 0, c.writeOnly)

		response = httptest.NewRecorder()
		handler.ServeHTTP(response, httptest.NewRequest(http.MethodPost, "/", nil))
		cookies := response.Result().Cookies()
		if len(cookies) != 1 {
			t.Errorf("%s: %d cookies after a write", what, len(cookies))
			continue
		}
		got := cookies[0]
		check.Same(t, what+": name", got.Name, c.name)
		check.Same(t, what+": path", got.Path, c.path)
		check.Same(t, what+": secure", got.Secure, c.secure)
		check.Same(t, what+": hidden from scripts", got.HttpOnly, true)
		check.Same(t, what+": same site", got.SameSite, http.SameSiteLaxMode)
		if got.MaxAge <= 0 || got.MaxAge > 3*60*60 { // twice MaxStale, which is an hour
			t.Errorf("%s: lasts %d s", what, got.MaxAge)
		}

		// The next request of the user goes on with it, and a forged one does not.
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.AddCookie(got)
		bad := r.Stats().BadTokens
		handler.ServeHTTP(httptest.NewRecorder(), request)
		check.Same(t, what+": bad tokens", r.Stats().BadTokens-bad, 0)
		request = httptest.NewRequest(http.MethodGet, "/", nil)
		request.AddCookie(&http.Cookie{Name: c.name, Value: "forged"})
		handler.ServeHTTP(httptest.NewRecorder(), request)
		check.Same(t, what+": bad tokens", r.Stats().BadTokens-bad, 1)
	}
}
