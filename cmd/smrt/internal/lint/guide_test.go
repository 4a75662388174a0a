package lint_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/cmd/smrt/internal/lint"
	"github.com/smrt-go/smrt/internal/check"
)

// TestGuide runs the guide's first example and compares what it says of it.
func TestGuide(t *testing.T) {
	guide := string(check.Value(os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "guides", "migrations.md")))(t))
	block := regexp.MustCompile("(?s)TestGuide of .*?```sql\n(.*?)```.*?```text\n(.*?)```").FindStringSubmatch(guide)
	if block == nil {
		t.Fatal("the guide has no example")
	}
	found := run(t, lint.Options{}, block[1]).Findings
	for i := range found {
		found[i].File = filepath.Base(found[i].File)
	}
	check.Same(t, "report", text(found), block[2])
	for _, f := range found {
		if !strings.Contains(guide, "\n| "+f.Rule+" "+f.Name+" |") {
			t.Errorf("the guide has no row for %s %s", f.Rule, f.Name)
		}
	}
}
