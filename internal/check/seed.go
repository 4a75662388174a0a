package check

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Seed returns a seed for random numbers: a new one each time, or what
// SMRT_TEST_SEED says. If the test fails, it logs the seed and the line that
// runs the test with it again.
func Seed(tb testing.TB) uint64 {
	tb.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("SMRT_TEST_SEED"); text != "" {
		seed = Value(strconv.ParseUint(text, 10, 64))(tb)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log("run again with: " + again(tb.Name(), seed))
		}
	})
	return seed
}

// Random returns random numbers from a [Seed]. They are for one goroutine.
func Random(tb testing.TB) *rand.Rand {
	tb.Helper()
	return rand.New(rand.NewPCG(Seed(tb), 0))
}

// again returns the command that runs a test of this package with a seed.
func again(test string, seed uint64) string {
	names := strings.Split(test, "/")
	for i, name := range names {
		names[i] = "^" + regexp.QuoteMeta(name) + "$"
	}
	command := "SMRT_TEST_SEED=" + strconv.FormatUint(seed, 10) + " go test -count=1"
	if Race {
		command += " -race"
	}
	return command + " -run '" + strings.Join(names, "/") + "' " + folder()
}

// folder returns the package under test, whose directory tests run in, as go
// test at the top of the module takes it.
func folder() string {
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for top := dir; top != filepath.Dir(top); top = filepath.Dir(top) {
		if _, err := os.Stat(filepath.Join(top, "go.mod")); err == nil {
			if path, err := filepath.Rel(top, dir); err == nil {
				return "./" + filepath.ToSlash(path)
			}
		}
	}
	return "."
}
