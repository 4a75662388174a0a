package pgerr_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/pgerr"
)

func TestDebug(t *testing.T) {
	check.Same(t, "DEBUG", pgerr.Debug(&pgconn.Notice{Severity: "DEBUG", SeverityUnlocalized: "DEBUG", Message: "x"}), "x")
	check.Same(t, "HINWEIS", pgerr.Debug(&pgconn.Notice{Severity: "HINWEIS", SeverityUnlocalized: "NOTICE", Message: "x"}), "")
}
