package analyze

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Baseline are findings that are known and accepted, by their ids and objects, so that a
// gate stops new ones only. It is a text that is committed, with one finding a line, and
// behind # the reason:
//
//	C8 public.goods (price)  # changed when the currency is
//	P1 ReportOfYear: public.orders
//
// The zero value accepts nothing. It is a value, and safe for concurrent use.
type Baseline struct {
	reasons map[string]string // by id and object
}

// baselineHead is what a baseline begins with.
const baselineHead = "# Findings of smrt analyze that are accepted. smrt analyze --accept writes this file and keeps what stands behind #.\n"

// ParseBaseline reads what [Baseline.String] has returned.
func ParseBaseline(text string) (Baseline, error) {
	b := Baseline{reasons: map[string]string{}}
	for i, line := range strings.Split(text, "\n") {
		what, reason, _ := strings.Cut(line, "  #")
		if what = strings.TrimSpace(what); what == "" || strings.HasPrefix(what, "#") {
			continue
		}
		id, object, _ := strings.Cut(what, " ")
		if nameOf(id) == "" || strings.TrimSpace(object) == "" {
			return Baseline{}, fmt.Errorf("smrt: analyze: line %d of the baseline, %q, is no id of a check and an object, such as %q", i+1, line, "C8 public.goods (price)")
		}
		b.reasons[what] = strings.TrimSpace(reason)
	}
	return b, nil
}

// String returns the baseline as text, sorted by ids and objects.
func (b Baseline) String() string {
	var text strings.Builder
	text.WriteString(baselineHead)
	for _, line := range slices.SortedFunc(maps.Keys(b.reasons), compareLines) {
		text.WriteString(line)
		if reason := b.reasons[line]; reason != "" {
			text.WriteString("  # " + reason)
		}
		text.WriteString("\n")
	}
	return text.String()
}

func compareLines(a, b string) int {
	of := func(line string) Finding {
		id, object, _ := strings.Cut(line, " ")
		return Finding{ID: id, Object: object}
	}
	return of(a).compare(of(b))
}

// key is how a baseline names a finding.
func (f Finding) key() string { return f.ID + " " + f.Object }

// Split returns the findings that are not accepted, those that are, and the lines of the
// baseline that nothing was found for, which may be removed.
func (b Baseline) Split(found Findings) (fresh, accepted Findings, gone []string) {
	fresh, accepted, left := Findings{}, Findings{}, maps.Clone(b.reasons)
	for _, f := range found {
		if _, known := b.reasons[f.key()]; known {
			accepted = append(accepted, f)
		} else {
			fresh = append(fresh, f)
		}
		delete(left, f.key())
	}
	return fresh, accepted, slices.SortedFunc(maps.Keys(left), compareLines)
}

// Accept returns the baseline of these findings and of no others. Reasons are kept.
func (b Baseline) Accept(found Findings) Baseline {
	accepting := Baseline{reasons: map[string]string{}}
	for _, f := range found {
		accepting.reasons[f.key()] = b.reasons[f.key()]
	}
	return accepting
}
