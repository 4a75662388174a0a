package pool

import (
	"net"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// sslModes are the modes of TLS that pgx knows.
var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// connString is the URL with the mode of TLS in it.
func (c Config) connString() (string, error) {
	if c.URL == "" && os.Getenv("PGHOST") == "" && os.Getenv("PGSERVICE") == "" {
		return "", bad("URL", "is empty, and neither PGHOST nor PGSERVICE is set: write postgres://user@host:5432/database")
	}
	if c.SSLMode != "" {
		if !slices.Contains(sslModes, c.SSLMode) {
			return "", bad("SSLMode", "must be one of "+strings.Join(sslModes, ", "))
		}
		return withParameter(c.URL, "sslmode", c.SSLMode), nil
	}
	cfg, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return "", badURL(c.URL, err)
	}
	if fallsBackToPlain(cfg) && !saysSSLMode(c.URL) {
		return withParameter(c.URL, "sslmode", "require"), nil
	}
	return c.URL, nil
}

// fallsBackToPlain reports whether a connection to another machine is tried with
// TLS and then without, which is pgx's default: whoever is between the two can
// choose the latter.
func fallsBackToPlain(cfg *pgx.ConnConfig) bool {
	return cfg.TLSConfig != nil && slices.ContainsFunc(cfg.Fallbacks, func(f *pgconn.FallbackConfig) bool {
		return f.TLSConfig == nil && !isLocal(f.Host)
	})
}

// isLocal reports whether host is this machine.
func isLocal(host string) bool {
	if host == "" || host == "localhost" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

var sslModeParameter = regexp.MustCompile(`(?i)(^|[\s?&])sslmode\s*=`)

// saysSSLMode reports whether somebody has chosen the mode of TLS.
func saysSSLMode(url string) bool {
	return os.Getenv("PGSSLMODE") != "" || sslModeParameter.MatchString(url)
}

func isURL(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
}

// withParameter adds a parameter, which wins over one of the same name.
func withParameter(url, name, value string) string {
	switch {
	case !isURL(url):
		return strings.TrimSpace(url + " " + name + "=" + value)
	case strings.Contains(url, "?"):
		return url + "&" + name + "=" + value
	}
	return url + "?" + name + "=" + value
}

// badURL says what is wrong with a URL. pgx's own error is not passed on: it
// has the URL, and may have a part of the password.
func badURL(url string, err error) error {
	for _, word := range []string{"sslmode", "connect_timeout", "target_session_attrs", "default_query_exec_mode", "port"} {
		for _, phrase := range []string{"invalid " + word, word + " is invalid", "unknown " + word} {
			if strings.Contains(err.Error(), phrase) {
				return bad("URL", "has a "+word+" that pgx does not take")
			}
		}
	}
	if isURL(url) {
		return bad("URL", "cannot be parsed: special characters in user and password must be percent-encoded, such as %40 for @")
	}
	return bad("URL", "cannot be parsed: write postgres://user:password@host:5432/database, or host=... user=... dbname=...")
}
