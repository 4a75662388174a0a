package annotation_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/smrt-go/smrt/cmd/smrt/internal/annotation"
	"github.com/smrt-go/smrt/internal/check"
)

func TestParse(t *testing.T) {
	text := strings.Join([]string{
		"-- +goose Up",
		"-- smrt:phase contract",
		"-- smrt allow nothing",
		"SELECT '-- smrt:allow L1 in a literal',",
		"  --smrt: allow  L3   the table is   small\r",
		"  1; /* smrt:allow L1 in slashes */",
		"DO $$",
		"-- smrt:allow L1 in a body",
		"$$;",
		"  -- smrt:allow",
		`-- smrt:backfill table=app."a b" key="the ""i d"`,
	}, "\n")
	got := check.Value(annotation.Read(fstest.MapFS{"1.sql": {Data: []byte(text)}}, "1.sql"))(t)
	check.Equal(t, "annotations", got, []annotation.Annotation{
		{Name: "phase", Args: []string{"contract"}, Text: "contract", File: "1.sql", Line: 2},
		{Name: "allow", Args: []string{"L3", "the", "table", "is", "small"}, Text: "L3   the table is   small", File: "1.sql", Line: 5},
		{Name: "allow", Args: []string{}, File: "1.sql", Line: 10},
		{Name: "backfill", Args: []string{`table=app."a b"`, `key="the ""i d"`}, Text: `table=app."a b" key="the ""i d"`, File: "1.sql", Line: 11},
	})
	if _, err := annotation.Read(fstest.MapFS{}, "1.sql"); err == nil {
		t.Error("a file that is missing has annotations")
	}
}

func TestProblems(t *testing.T) {
	for text, says := range map[string]string{
		"-- smrt:alow L1 x":                   "no annotation smrt:alow: the names are allow, phase and backfill",
		"-- smrt:":                            "no annotation smrt::",
		"SELECT 1; -- smrt:allow L1 x":        "line of its own",
		"/* smrt:phase contract */":           "write -- smrt:phase, with",
		"-- SMRT:Phase contract":              "write -- smrt:phase, with",
		"-- smrt backfill: table=a key=b":     "write -- smrt:backfill, with",
		"SELECT 1, -- smrt:phase contract\n1": "line of its own",
	} {
		_, err := annotation.Parse("2.sql", "-- +goose Up\n"+text)
		var problem *annotation.Error
		if !errors.As(err, &problem) || problem.Line != 2 || problem.File != "2.sql" || !strings.Contains(err.Error(), says) {
			t.Errorf("the error of %q is %v and says no %q", text, err, says)
		}
	}
}

// TestRulesAreGuarded removes rules, one at a time, and sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{"an unknown name is an error", "annotation.go", "case !slices.Contains(", "case false && !slices.Contains(", "TestProblems"},
		{"a phase that is written otherwise is an error", "annotation.go", "if !ok && miss == nil {", "if !ok {", "TestProblems"},
		{"an annotation behind SQL is an error", "annotation.go", `strings.TrimSpace(before) != ""`, `false`, "TestProblems"},
	})
}
