package readreplica

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/smrt-go/smrt/pool"
)

// Format prints where the server is, whatever the verb: the URL may hold a
// password.
func (s Server) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.describe()) }

// LogValue is what Format prints.
func (s Server) LogValue() slog.Value { return slog.StringValue(s.describe()) }

func (s Server) describe() string {
	if s.Pool != nil {
		return "readreplica.Server{" + s.Name + " with a pool}"
	}
	return fmt.Sprintf("readreplica.Server{%s %v}", s.Name, pool.Config{URL: s.URL})
}

// Format prints where the servers are, whatever the verb: URLs may hold passwords,
// and tokens have a secret.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.describe()) }

// LogValue is what Format prints.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.describe()) }

func (c Config) describe() string { return fmt.Sprintf("readreplica.Config{Servers: %v}", c.Servers) }

// Format prints how many servers there are, whatever the verb.
func (r *Router) Format(f fmt.State, _ rune) {
	if r == nil {
		_, _ = io.WriteString(f, "*readreplica.Router{}")
		return
	}
	_, _ = fmt.Fprintf(f, "*readreplica.Router of %d servers", len(r.nodes))
}
