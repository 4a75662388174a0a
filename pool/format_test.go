package pool_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/pool"
)

// What is printed or logged shows no password.
func TestNothingPrintedShowsThePassword(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"postgres://alice:hidden@db.invalid:5433/shop", "host=db.invalid port=5433 dbname=shop user=alice password=hidden",
		"postgres://alice:hid den@db.invalid:5433/shop",
	} {
		cfg := pool.Config{URL: text, Lazy: true, MinConns: -1}
		printed := []any{cfg, &cfg, []pool.Config{cfg}, struct{ C pool.Config }{cfg}}
		if p, err := pool.Open(t.Context(), cfg); err == nil {
			defer p.Close()
			printed = append(printed, p)
		}
		for _, v := range printed {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
				got := fmt.Sprintf(verb, v)
				check.Same(t, got+" shows the password", strings.Contains(got, "hid"), false)
				if !strings.Contains(text, "hid den") {
					check.Same(t, got+" says where", strings.Contains(got, "db.invalid:5433/shop"), true)
				}
			}
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("opened", "config", cfg)
		slog.New(slog.NewTextHandler(&log, nil)).Info("opened", "config", cfg)
		check.Same(t, log.String()+" shows the password", strings.Contains(log.String(), "hid"), false)
	}
}
