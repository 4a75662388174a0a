//go:build unix

package testdb_test

import (
	"os"
	"testing"

	"github.com/smrt-go/smrt/internal/testdb"
)

// TestMain also lets this test binary play the part of a test binary that dies: see child_test.go.
func TestMain(m *testing.M) {
	if part := os.Getenv("SMRT_TESTDB_CHILD"); part != "" {
		os.Exit(playChild(part))
	}
	os.Exit(testdb.Main(m))
}
