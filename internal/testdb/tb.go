package testdb

import (
	"context"
	"os"
)

// TB is what this package needs of a *testing.T, *testing.B or *testing.F. It is an interface because the demo uses
// this package too, and a program has no business with package testing.
type TB interface {
	Helper()
	Name() string
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// Primary gives tb a server of its own, for tests that need standbys or stop a server. It is closed when tb ends. With
// SMRT_TEST_DSN the test is skipped: a server found running is not to be stopped or copied.
func Primary(tb TB, cfg Config) *Server {
	tb.Helper()
	if os.Getenv("SMRT_TEST_DSN") != "" {
		tb.Skipf("testdb: %v", errExternal)
		return nil
	}
	s, err := Start(context.Background(), cfg)
	if err != nil {
		tb.Fatalf("testdb: %v", err)
		return nil
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("testdb: %v", err)
		}
	})
	return s
}
