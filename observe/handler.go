package observe

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/page"
)

// PageConfig says what the page of an [Observer] shows besides what that has recorded,
// and to whom. The zero value shows only that, to this machine.
type PageConfig struct {
	// Title is what the page is of, such as the name of the service. Default: none.
	Title string

	// Handles are the pools and routers that are shown, by their names: each a
	// *pool.Pool, a *pgxpool.Pool or a *readreplica.Router. Their counters are read
	// for each page, and nothing is sent on them. Default: none.
	Handles map[string]smrt.DB

	// Server is asked for the statements that run in its database: a pool, or a
	// router, whose primary is asked. There is one question at a time, and none
	// within a second of the last one. Default: no server is asked for anything.
	Server smrt.DB

	// ServerTimeout is how long the question may take, the wait for a connection
	// included. The page says if it took longer. Default: 1 s; at most 1 min.
	ServerTimeout time.Duration

	// Allow reports whether whoever makes a request may see the page. Default:
	// requests from loopback addresses to a loopback name only, if they did not
	// come by way of a proxy that says so. A proxy on this machine that says
	// nothing looks like a user of this machine: set Allow behind one.
	Allow func(*http.Request) bool
}

// How long a server may take to say what runs. A page of which one part takes longer
// than a second is of little use when there is trouble.
const (
	defaultServerTimeout = time.Second
	maxServerTimeout     = time.Minute
)

// Handler returns the page of what o has seen: statements, transactions, slow calls,
// findings, and what the configuration says. It is a single document, readable without scripts, at
// whatever path it is served, and JSON for those who accept that or ask for
// ?format=json. Values never appear: literals in texts are left out, and arguments are
// not there. It changes nothing.
//
// The query of a URL says how the statements are ordered, and after how many seconds a
// browser asks again: ?by=time (the default), calls, rows, errors, p99 or max, and
// ?refresh=2, 10 or 60. Other values are as if they were not there. JSON has times in
// seconds; fields may be added to it.
//
// It answers GET and HEAD. Others get 405, and those who may not see it 403. Responses
// are not to be stored, and their Content-Security-Policy forbids scripts, forms, frames
// and whatever is not in the document.
//
// A configuration that cannot be used is an *[smrt.OptionsError].
//
// A page takes memory for a moment, and no goroutine. There is one at a time, and those
// who ask within a second of it get the same. No statement of the program waits for it
// longer than one entry takes to copy.
func Handler(o *Observer, c PageConfig) (http.Handler, error) {
	if o == nil {
		return nil, bad("observer", "must not be nil; see observe.New")
	}
	if c.ServerTimeout < 0 || c.ServerTimeout > maxServerTimeout {
		return nil, bad("ServerTimeout", "must be from 0 to %v, is %v", maxServerTimeout, c.ServerTimeout)
	}
	if c.ServerTimeout == 0 {
		c.ServerTimeout = defaultServerTimeout
	}
	p := &handler{observer: o, config: c, turn: make(chan struct{}, 1)}
	if err := p.addHandles(c.Handles); err != nil {
		return nil, err
	}
	if c.Server != nil {
		p.server = newServerView(c.Server, c.ServerTimeout)
	}
	var err error
	p.document, err = page.NewDocument()
	return p, err
}

// ServeHTTP implements http.Handler. Who may not see the page learns nothing from it,
// not even whether a method is right.
func (p *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", p.document.Policy)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Vary", "Accept")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	if !p.allowed(r) {
		http.Error(w, refusal, http.StatusForbidden)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "the page can only be read", http.StatusMethodNotAllowed)
		return
	}
	report, err := p.report(r.Context())
	if err != nil {
		http.Error(w, "the page was not made before the request ended", http.StatusServiceUnavailable)
		return
	}
	kind, body, err := p.render(report, r)
	if err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body)
	}
}

// render writes a report in the form that a request wants.
func (p *handler) render(report *page.Report, r *http.Request) (kind string, body []byte, err error) {
	if wantsJSON(r) {
		body, err = p.document.JSON(report, r.URL.Query())
		return "application/json", body, err
	}
	body, err = p.document.HTML(report, r.URL.Query())
	return "text/html; charset=utf-8", body, err
}

// wantsJSON reports whether a request is made by a program. Browsers accept HTML, and
// what else they accept comes after it.
func wantsJSON(r *http.Request) bool {
	if format := r.URL.Query().Get("format"); format != "" {
		return format == "json"
	}
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}

const refusal = "This page is shown to requests from the machine it runs on, made to localhost or a loopback address and " +
	"not through a proxy. To show it to others, set observe.PageConfig.Allow to a function that knows them."

// allowed reports whether a request may be answered.
func (p *handler) allowed(r *http.Request) bool {
	if p.config.Allow != nil {
		return p.config.Allow(r)
	}
	return isLocal(r)
}

// isLocal reports whether a request was made on this machine, as far as one can tell.
// Its header is what a client says, so it can only refuse. Its host is that of the
// address that a browser shows: a name that leads here without being a loopback name
// is one by which the page of another site reads ours (DNS rebinding).
func isLocal(r *http.Request) bool {
	for _, name := range proxyHeaders {
		if len(r.Header.Values(name)) > 0 {
			return false
		}
	}
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && isLoopback(from) && isLoopbackName(r.Host)
}

// proxyHeaders are what proxies add. That one of them is missing says nothing; that one
// is there says that the connection is not that of the user.
var proxyHeaders = [...]string{
	"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "X-Original-Host",
}

// isLoopback reports whether text is an address of this machine only. IPv4 addresses
// come as IPv6 ones where a server listens on both.
func isLoopback(text string) bool {
	address, err := netip.ParseAddr(text)
	return err == nil && address.Unmap().IsLoopback()
}

// isLoopbackName reports whether the host of a URL, perhaps with a port, leads to this
// machine whatever name servers say.
func isLoopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return host == "localhost" || isLoopback(host)
}
