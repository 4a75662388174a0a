//go:build unix

package testdb_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// TestVersion proves that the server is of the version that was asked for, and that
// what says how old it is agrees.
func TestVersion(t *testing.T) {
	t.Parallel()
	s := testdb.Primary(t, testdb.Config{})
	version := check.Value(s.Version(t.Context()))(t)
	conn := connect(t, s, "postgres")
	major := testdb.Major(t, conn)
	check.Same(t, version+" begins with its major version", strings.HasPrefix(version, strconv.Itoa(major)), true)
	number, _, _ := strings.Cut(version, " ")
	if wanted := os.Getenv("SMRT_PG_VERSION"); !strings.HasPrefix(number+".", wanted) {
		t.Errorf("the server is %s, SMRT_PG_VERSION %s", version, wanted)
	}
	ran := false
	t.Run("since", func(t *testing.T) {
		testdb.Since(t, conn, major)
		ran = true
	})
	check.Same(t, "ran on a server that is as new as the test needs", ran, true)
	t.Run("newer", func(t *testing.T) {
		testdb.Since(t, conn, major+1)
		t.Error("ran on a server that is older than the test needs")
	})
}
