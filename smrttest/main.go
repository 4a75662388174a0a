package smrttest

import (
	"fmt"
	"os"
	"testing"

	"github.com/smrt-go/smrt/internal/testdb"
)

// Main runs the tests of a package, ends the server if one was started, and exits:
//
//	func TestMain(m *testing.M) { smrttest.Main(m) }
//
// If all tests passed and goroutines are left over, it prints where they were begun, and the package fails.
//
// Without it tests work the same, but nobody looks for goroutines, and with SMRT_TEST_DSN the templates stay on that
// server until another test binary begins or ends.
func Main(m *testing.M) {
	code, err := testdb.Run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "smrttest:", err)
	}
	os.Exit(code)
}
