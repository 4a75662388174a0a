package lint_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/cmd/smrt/internal/lint"
	"github.com/smrt-go/smrt/cmd/smrt/internal/script"
	"github.com/smrt-go/smrt/internal/check"
)

// TestSecondOpinion compares what is planted with what squawk finds in it, which parses
// SQL. testdata/squawk.txt has what each finds; a difference has a reason below.
func TestSecondOpinion(t *testing.T) {
	program, err := exec.LookPath("squawk")
	if err != nil {
		t.Skip("squawk is not installed; the version that the file is of: npm install squawk-cli@2.66.0")
	}
	var b strings.Builder
	for _, p := range planted {
		found := squawk(t, program, p.bad)
		reason := onlyHere[p.rule]
		if len(found) > 0 {
			reason = ""
		} else if reason == "" {
			t.Errorf("%s: squawk has no finding, and there is no reason for that", p.what)
		}
		b.WriteString(strings.TrimSpace(p.what+": "+p.rule+" | "+strings.Join(found, " ")+" | "+reason) + "\n")
		for _, rule := range squawk(t, program, p.safe) {
			if onlySquawk[rule] == "" {
				t.Errorf("the safe way of %s: squawk finds %s, and there is no reason for that", p.what, rule)
			}
		}
	}
	if want := string(check.Value(os.ReadFile("testdata/squawk.txt"))(t)); b.String() != want {
		t.Errorf("squawk finds\n%s", b.String())
	}
}

// squawk returns the rules of squawk that files break, but those of style.
func squawk(t *testing.T, program string, files []string) (rules []string) {
	t.Helper()
	for _, text := range files {
		s := script.New(text)
		up, _ := s.Up()
		name := filepath.Join(t.TempDir(), "a.sql")
		check.NoError(t, os.WriteFile(name, []byte(up), 0o600))
		args := []string{"--reporter", "json", name}
		if !s.NoTransaction {
			args = append([]string{"--assume-in-transaction"}, args...)
		}
		out, err := exec.Command(program, args...).Output() //nolint:gosec // it is that of whoever runs the test
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		var found []struct {
			Rule string `json:"rule_name"`
		}
		check.NoError(t, json.Unmarshal(bytes.TrimSpace(out), &found))
		for _, f := range found {
			if style[f.Rule] == "" && !slices.Contains(rules, f.Rule) {
				rules = append(rules, f.Rule)
			}
		}
	}
	slices.Sort(rules)
	return rules
}

// style has the rules of squawk that are not compared.
var style = map[string]string{
	"require-statement-timeout":   "how long a statement may take is its user's business: waits for locks are bounded, and work under locks is found",
	"prefer-robust-stmts":         "a transaction leaves nothing behind, and what has none is run twice (L8)",
	"prefer-text-field":           "a longer varchar rewrites nothing, and a shorter one is L1",
	"prefer-identity":             "serial works",
	"require-enum-value-ordering": "the end is a place",
}

// onlyHere says by rule why squawk finds nothing.
var onlyHere = map[string]string{
	lint.Rewrite:  "it reads no statement but ALTER TABLE for that",
	lint.Scan:     "it does not read ATTACH PARTITION for that",
	lint.Tables:   "it does not follow what a transaction holds",
	lint.Rows:     "it does not follow what a transaction holds",
	lint.Contract: "it does not know what a release needs",
	lint.Catalog:  "it compares no catalogs",
	lint.Whole:    "it asks no planner",
	lint.Unseen:   "it does not read the bodies of blocks",
}

// onlySquawk says by rule why squawk finds something in a safe way.
var onlySquawk = map[string]string{
	"require-lock-timeout":                 "it asks for one where no lock keeps writers out too, as of VALIDATE and CONCURRENTLY, and does not know set_config",
	"ban-alter-domain-with-add-constraint": "it bans NOT VALID too, which reads no row",
	"adding-not-nullable-field":            "it does not see that a CHECK has been validated",
	"adding-foreign-key-constraint":        "it does not see that the column is new and empty",
	"changing-column-type":                 "it does not know which types rewrite nothing",
	"ban-drop-column":                      "it does not know what a release needs",
	"ban-drop-table":                       "it does not know what a release needs",
	"prefer-bigint-over-int":               "L9 is about keys, whose values end",
	"renaming-column":                      "it does not see that the name comes back",
	"renaming-table":                       "it does not see the view of the old name",
}
