package pool

import (
	"net"
	"net/url"
	"os"
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
// choose the latter. Each host has attempts of its own; a socket of this machine
// before them has none with TLS.
func fallsBackToPlain(cfg *pgx.ConnConfig) bool {
	encrypted := map[string]bool{}
	if cfg.TLSConfig != nil {
		encrypted[cfg.Host] = true
	}
	for _, f := range cfg.Fallbacks {
		if f.TLSConfig != nil {
			encrypted[f.Host] = true
		}
	}
	return slices.ContainsFunc(cfg.Fallbacks, func(f *pgconn.FallbackConfig) bool {
		return f.TLSConfig == nil && encrypted[f.Host] && !isLocal(f.Host)
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

// saysSSLMode reports whether somebody has chosen the mode of TLS.
func saysSSLMode(text string) bool {
	if os.Getenv("PGSSLMODE") != "" {
		return true
	}
	if isURL(text) {
		u, err := url.Parse(text)
		return err == nil && u.Query().Has("sslmode")
	}
	return slices.Contains(keywords(text), "sslmode")
}

// keywords returns the keywords of a string such as host=a password='b c'. What
// looks like one may be a part of a value.
func keywords(text string) []string {
	var words []string
	for {
		word, rest, ok := strings.Cut(text, "=")
		if !ok {
			return words
		}
		words = append(words, strings.TrimSpace(word))
		text = afterValue(strings.TrimLeft(rest, " \t\n\r\v\f"))
	}
}

// afterValue returns what follows the value that text begins with. A backslash
// takes the next character as it is.
func afterValue(text string) string {
	quoted := strings.HasPrefix(text, "'")
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case quoted && i > 0 && c == '\'', !quoted && strings.IndexByte(" \t\n\r\v\f", c) >= 0:
			return text[i+1:]
		}
	}
	return ""
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
