package pool

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"
)

// What is printed comes from Format and not from String, which %#v does not use.
// Loggers that do not print, such as those that write JSON, use LogValue.

// Format prints where the server is, whatever the verb: the URL may hold a
// password.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.describe()) }

// LogValue is what Format prints.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.describe()) }

func (c Config) describe() string {
	if c.URL == "" {
		return "pool.Config{}"
	}
	parsed, err := pgx.ParseConfig(c.URL)
	if err != nil { // which has a part of the URL
		return "pool.Config{URL that cannot be parsed}"
	}
	hosts := []string{fmt.Sprintf("%s:%d", parsed.Host, parsed.Port)}
	for _, fb := range parsed.Fallbacks {
		if host := fmt.Sprintf("%s:%d", fb.Host, fb.Port); host != hosts[len(hosts)-1] {
			hosts = append(hosts, host)
		}
	}
	return "pool.Config{" + strings.Join(hosts, ",") + "/" + parsed.Database + "}"
}

// Format prints where the server is, whatever the verb.
func (p *Pool) Format(f fmt.State, verb rune) {
	if p == nil || p.settings == nil {
		_, _ = io.WriteString(f, "*pool.Pool{}")
		return
	}
	_, _ = io.WriteString(f, "*pool.Pool of ")
	p.settings.Config.Format(f, verb)
}
