package readreplica

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"time"
)

// HTTP configures how a session travels between the requests of one user.
type HTTP struct {
	// Cookie is the name of the cookie that holds the token. Default:
	// "smrt-reads", unless Header is set. It is HttpOnly, Secure and
	// SameSite=Lax.
	Cookie string

	// Header is the name of the request and response header that holds the
	// token instead, for clients that are programs.
	Header string

	// Path is the path of the cookie. Default: "/".
	Path string

	// Insecure sends the cookie without TLS too, for development.
	Insecure bool

	// WritesOnly leaves the responses to requests that wrote nothing as they
	// are, so that they can be cached. A user reads what was written before,
	// but two requests that only read may go back in time.
	WritesOnly bool
}

const defaultCookie = "smrt-reads"

// Middleware returns a handler that calls next with a session for each request. It
// goes on where the last session of the same user ended, in whichever process that
// was. Without Config.TokenSecret, without next, and with both Cookie and Header,
// the error is smrt.ErrBadOptions.
//
// The token goes out with the header of the response, so it covers what the
// handler has written and read before it begins to answer. A token that cannot
// be used is left aside, and counted in [Stats]. Middlewares of several routers
// share the session; give their cookies different names.
func (r *Router) Middleware(h HTTP, next http.Handler) (http.Handler, error) {
	if err := r.needSecret(); err != nil {
		return nil, err
	}
	if next == nil {
		return nil, bad("next", "must not be nil")
	}
	if h.Cookie != "" && h.Header != "" {
		return nil, bad("Header", "and Cookie cannot both be set: a token travels one way")
	}
	if h.Cookie == "" {
		h.Cookie = defaultCookie
	}
	if h.Path == "" {
		h.Path = "/"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ctx := req.Context()
		if sessionOf(ctx) == nil { // else that of another router's middleware
			ctx = WithSession(ctx)
		}
		if err := r.resume(ctx, h.read(req)); err != nil {
			r.counter.badTokens.Add(1)
		}
		answer := &answer{ResponseWriter: w, router: r, how: &h, ctx: ctx}
		defer answer.begin() // for handlers that write nothing
		next.ServeHTTP(answer, req.WithContext(ctx))
	}), nil
}

// read returns the token of a request.
func (h *HTTP) read(req *http.Request) string {
	if h.Header != "" {
		return req.Header.Get(h.Header)
	}
	c, err := req.Cookie(h.Cookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// write puts the token into a response.
func (h *HTTP) write(header http.Header, token string, age time.Duration) {
	if h.Header != "" {
		header.Set(h.Header, token)
		return
	}
	c := http.Cookie{
		Name: h.Cookie, Value: token, Path: h.Path, MaxAge: int(age.Seconds()),
		HttpOnly: true, Secure: !h.Insecure, SameSite: http.SameSiteLaxMode,
	}
	header.Add("Set-Cookie", c.String())
}

// answer is a response that gets its token before its first byte: each method that
// would send something calls begin first. Informational responses (1xx) do not
// count, as their header is not the last one.
type answer struct {
	http.ResponseWriter
	router *Router
	how    *HTTP
	ctx    context.Context
	begun  bool
}

// begin adds the token.
func (a *answer) begin() {
	if a.begun {
		return
	}
	a.begun = true
	r := a.router
	if a.how.WritesOnly && !sessionOf(a.ctx).hasWritten(r) {
		return
	}
	token, err := r.Token(a.ctx)
	if err != nil { // the next read finds out what there is to see
		token = r.unresolved()
	}
	if token == "" {
		return
	}
	// A replica that is further behind than MaxStale serves no reads, so what
	// the token asks for is everywhere after that time.
	a.how.write(a.Header(), token, max(2*r.cfg.MaxStale, r.cfg.Sticky)+time.Second)
}

// WriteHeader begins the response, unless it is an informational one.
func (a *answer) WriteHeader(code int) {
	if code >= 200 || code == http.StatusSwitchingProtocols {
		a.begin()
	}
	a.ResponseWriter.WriteHeader(code)
}

// Write writes a part of the response.
func (a *answer) Write(b []byte) (int, error) {
	a.begin()
	return a.ResponseWriter.Write(b)
}

// Flush sends what was written so far.
func (a *answer) Flush() { _ = a.FlushError() } // as http.Flusher, which has no error either

// FlushError is Flush for http.ResponseController.
func (a *answer) FlushError() error {
	a.begin()
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Hijack gives the connection to the handler, as for a web socket. A handler that
// writes its response itself gets no token into it.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(a.ResponseWriter).Hijack()
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
