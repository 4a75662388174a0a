package analyze_test

import (
	"strings"
	"testing"

	"github.com/smrt-go/smrt/analyze"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/schema"
)

// TestBaseline accepts findings by id and object, and nothing else.
func TestBaseline(t *testing.T) {
	t.Parallel()
	price := analyze.Finding{ID: "C8", Level: schema.Warning, Object: "public.goods (price)", Evidence: "its type is money"}
	scan := analyze.Finding{ID: "P1", Level: schema.Warning, Object: `report: public."my orders"`}
	other := analyze.Finding{ID: "C10", Level: schema.Warning, Object: "public.goods (price)"}

	var none analyze.Baseline
	fresh, accepted, gone := none.Split(analyze.Findings{price})
	if len(fresh) != 1 || len(accepted)+len(gone) != 0 {
		t.Errorf("without a baseline: %v, %v, %v", fresh, accepted, gone)
	}
	text := none.Accept(analyze.Findings{scan, price}).String()
	if !strings.HasSuffix(text, "C8 public.goods (price)\nP1 report: public.\"my orders\"\n") {
		t.Errorf("the text is\n%s", text)
	}
	text = strings.Replace(text, "(price)", "(price)  # euros only", 1)
	b := check.Value(analyze.ParseBaseline(text))(t)
	check.Same(t, "text", b.String(), text)

	price.Evidence, price.Level = "something else", schema.Fault
	fresh, accepted, gone = b.Split(analyze.Findings{price, other})
	check.Equal(t, "fresh", warnings(fresh), []string{"C10 public.goods (price)"})
	check.Equal(t, "accepted", warnings(accepted), []string{"C8 public.goods (price)"})
	check.Equal(t, "gone", gone, []string{`P1 report: public."my orders"`})

	text = b.Accept(analyze.Findings{price, other}).String()
	if !strings.HasSuffix(text, "C8 public.goods (price)  # euros only\nC10 public.goods (price)\n") {
		t.Errorf("accepted again:\n%s", text)
	}
	for _, text := range []string{"C8", "C99 public.goods", "public.goods (price)"} {
		if _, err := analyze.ParseBaseline("# a comment\n\n" + text); err == nil || !strings.Contains(err.Error(), "line 3") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
