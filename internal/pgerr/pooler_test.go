package pgerr_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// TestPooler proves that prepared statements which a pooler lost or doubled are
// named, say what helps, and are not tried again.
func TestPooler(t *testing.T) {
	for _, code := range []string{"26000", "42P05"} {
		server := &pgconn.PgError{Code: code, Message: "prepared statement \"secret\""}
		err := pgerr.Wrap("find", "orders", fmt.Errorf("outside: %w", server))
		var pooler *smrt.PoolerError
		if !errors.Is(err, smrt.ErrPoolerMode) || !errors.As(err, &pooler) || !errors.Is(err, error(server)) {
			t.Fatalf("%s: got %v", code, err)
		}
		if text := err.Error(); !strings.Contains(text, "max_prepared_statements") || !strings.Contains(text, "QueryExecModeExec") || strings.Contains(text, "secret") {
			t.Errorf("%s: says %q", code, text)
		}
		if pgerr.FaultOf(err) != pgerr.Permanent {
			t.Errorf("%s: would be tried again", code)
		}
		if again := pgerr.Pooler(err); again != err { //nolint:errorlint // the same value is wanted
			t.Errorf("%s: named twice: %v", code, again)
		}
	}
	if pgerr.IsPooler(&pgconn.PgError{Code: "42P01"}) {
		t.Error("a table that does not exist is taken for a pooler's doing")
	}
}
