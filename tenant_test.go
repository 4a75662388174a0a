package smrt_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
)

// TestAllTenantsIsLogged finds the reason and the line of the call in the log.
func TestAllTenantsIsLogged(t *testing.T) { // sets the logger of the process
	var log bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	ctx := smrt.AllTenants(t.Context(), "nightly report")
	for _, want := range []string{"level=INFO", `reason="nightly report"`, "tenant_test.go:"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in %q", want, log.String())
		}
	}
	check.Same(t, "tenant", smrt.TenantOf(ctx), smrt.Tenant{All: true, Reason: "nightly report"})
}

// TestTenantOf finds the tenant that was set last.
func TestTenantOf(t *testing.T) {
	t.Parallel()
	check.Same(t, "tenant", smrt.TenantOf(t.Context()), smrt.Tenant{})
	check.Same(t, "tenant", smrt.TenantOf(smrt.WithTenant(smrt.WithTenant(t.Context(), 1), "acme")), smrt.Tenant{ID: "acme"})
	check.Same(t, "tenant", smrt.TenantOf(smrt.AllTenants(t.Context(), "")), smrt.Tenant{})
}
