package observe_test

import (
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/observe"
)

// TestWithoutLiterals: no value that is written into a text stays in it.
func TestWithoutLiterals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ sql, want string }{
		{"SELECT 1", "SELECT ?"},
		{"SELECT name FROM users WHERE mail = 'secret' AND id = $1", "SELECT name FROM users WHERE mail = ? AND id = $1"},
		{"SELECT E'it\\'s secret', U&'\\0441secret', B'01', $$secret$$, $q$secret$q$", "SELECT ?, ?, ?, ?, ?"},
		{"SELECT 'a''secret'\n  'secret'", "SELECT ?"},
		{"SELECT -1.5e3, 0x1f, array[1,2]", "SELECT -?, ?, array[?,?]"},
		{"/* tenant=secret */ SELECT\n\t1 -- secret\n + 2/* secret */+3", "SELECT ? + ? +?"},
		{"SELECT/* secret */1", "SELECT ?"},
		{`SELECT "a name", t1.x2 FROM t1`, `SELECT "a name", t1.x2 FROM t1`},
		{"SELECT 'secret", "SELECT ?"},
		{"SELECT 1 /* secret", "SELECT ? ?"},
		{"", ""},
	} {
		got := observe.WithoutLiterals(tc.sql)
		check.Same(t, tc.sql, got, tc.want)
		if strings.Contains(got, "secret") {
			t.Errorf("%q: a value stays: %q", tc.sql, got)
		}
	}
}

// TestDatabaseIsNamed in events of each kind.
func TestDatabaseIsNamed(t *testing.T) {
	t.Parallel()
	_, j, p := observedPool(t, observe.Config{}, 1)
	want := p.Config().ConnConfig.Database
	_, err := p.Exec(t.Context(), "SELECT 1")
	check.NoError(t, err)
	for _, e := range j.take() {
		check.Same(t, e.Kind.String()+" "+e.Name.String(), e.Database, want)
	}
}
