package readreplica_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/readreplica"
)

// What is printed or logged shows neither a password nor a secret.
func TestNothingPrintedShowsSecrets(t *testing.T) {
	t.Parallel()
	server := readreplica.Server{Name: "a", URL: "postgres://alice:hidden@db.invalid/shop"}
	cfg := readreplica.Config{Servers: []readreplica.Server{server}, Pool: pool.Config{URL: server.URL}, TokenSecret: []byte("hidden")}
	for _, v := range []any{server, &server, cfg, &cfg, []readreplica.Config{cfg}, (*readreplica.Router)(nil), &readreplica.Router{}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			got := fmt.Sprintf(verb, v)
			check.Same(t, got+" shows a secret", strings.Contains(got, "hidden") || strings.Contains(got, "104 105 100"), false)
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("opened", "config", cfg, "server", server)
	check.Same(t, log.String()+" shows a secret", strings.Contains(log.String(), "hidden"), false)
}
