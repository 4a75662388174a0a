package readreplica_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
)

// TestTwoMiddlewares: a service with two databases has a middleware of each
// router, and each gets its token out, whichever is the outer one.
func TestTwoMiddlewares(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	a, b := c.open(t), c.open(t)
	handler := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		check.NoError(t, bump(req.Context(), repo.New(a, counters), 1, 1))
		check.NoError(t, bump(req.Context(), repo.New(b, counters), 2, 1))
		check.NoError(t, http.NewResponseController(w).Flush())
	})
	inner, err := b.Middleware(readreplica.HTTP{Cookie: "b"}, handler)
	check.NoError(t, err)
	outer, err := a.Middleware(readreplica.HTTP{Cookie: "a"}, inner)
	check.NoError(t, err)
	answer := httptest.NewRecorder()
	outer.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/", nil))
	tokens := map[string]string{}
	for _, cookie := range answer.Result().Cookies() {
		tokens[cookie.Name] = cookie.Value
	}
	check.Same(t, "cookies", len(tokens), 2)
	for name, r := range map[string]*readreplica.Router{"a": a, "b": b} {
		p, err := positionOf(r, tokens[name], t)
		check.NoError(t, err)
		check.Same(t, name+" is a position", p.IsZero(), false)
	}
}

// flushless is a response that cannot be flushed.
type flushless struct{ http.ResponseWriter }

// TestFlushTells passes on that a response cannot be flushed.
func TestFlushTells(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	r := c.open(t)
	handler, err := r.Middleware(readreplica.HTTP{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		check.Error(t, "flush", http.NewResponseController(w).Flush(), http.ErrNotSupported)
	}))
	check.NoError(t, err)
	handler.ServeHTTP(flushless{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/", nil))
}
