package analyze

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/smrt-go/smrt/schema"
)

// Plans are the shapes of the plans of a workload, as one database makes them: steps,
// relations, indexes, and the order of joins. As text they are sorted, and committed, so
// that a review shows what a change does to them.
//
// Values are in none. A cost is rounded, and kept while it is within a factor of two, so
// that the text changes only with what it is about.
type Plans struct {
	Source string      `json:"source"` // whose statistics they are made with; others are not compared
	Plans  []PlanShape `json:"plans"`  // by the names of their statements
}

// PlanShape is the shape of the plan of a statement.
type PlanShape struct {
	Statement string  `json:"statement"`
	Text      string  `json:"text"` // a digest of the statement's text
	Cost      float64 `json:"cost"` // in the planner's units
	Shape     string  `json:"shape"`
}

const plansHead = `# Plans of statements. smrt analyze --write writes this file, and compares with it where the source is the same.
`

// String returns the plans as text.
func (p Plans) String() string {
	var b strings.Builder
	b.WriteString(plansHead + "source " + p.Source + "\n")
	for _, s := range p.Plans {
		fmt.Fprintf(&b, "\nstatement %s\ntext %s\ncost %s\n", s.Statement, s.Text, strconv.FormatFloat(rounded(s.Cost), 'f', -1, 64))
		for line := range strings.SplitSeq(s.Shape, "\n") {
			b.WriteString("  " + line + "\n")
		}
	}
	return b.String()
}

// rounded returns a cost with two digits that count.
func rounded(cost float64) float64 {
	if cost <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(cost))-1)
	return math.Round(math.Round(cost/unit)*unit*1000) / 1000
}

// ParsePlans reads what [Plans.String] has returned.
func ParsePlans(text string) (p Plans, err error) {
	for i, line := range strings.Split(text, "\n") {
		word, rest, _ := strings.Cut(line, " ")
		last := len(p.Plans) - 1
		bad := last < 0
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case word == "source" && last < 0:
			p.Source, bad = rest, false
		case word == "statement" && rest != "":
			p.Plans, bad = append(p.Plans, PlanShape{Statement: rest}), false
		case bad:
		case word == "text":
			p.Plans[last].Text = rest
		case word == "cost":
			p.Plans[last].Cost, err = strconv.ParseFloat(rest, 64)
			bad = err != nil
		case strings.HasPrefix(line, "  "):
			p.Plans[last].Shape = strings.TrimPrefix(p.Plans[last].Shape+"\n"+line[2:], "\n")
		default:
			bad = true
		}
		if bad {
			return Plans{}, fmt.Errorf("smrt: analyze: line %d of the plans, %q, is none that smrt analyze writes", i+1, line)
		}
	}
	return p, nil
}

// costlier is how many times the cost of a plan is a finding.
const costlier = 10

// Compare returns what is worse now: an index that is not used any more, a scan of a whole
// table that was none, or ten times the cost. Each such finding has both plans. What else
// is different is in changes, one a line. Plans of another source are not compared, which
// is an error that says so.
func (p Plans) Compare(now Plans) (found Findings, changes []string, err error) {
	if p.Source != now.Source {
		return nil, nil, fmt.Errorf("smrt: analyze: plans of %q are not compared with those of %q: other statistics make other plans", now.Source, p.Source)
	}
	found, left := Findings{}, map[string]PlanShape{}
	for _, s := range p.Plans {
		left[s.Statement] = s
	}
	for _, s := range now.Plans {
		was, known := left[s.Statement]
		delete(left, s.Statement)
		f, worse := was.worse(s)
		switch {
		case !known:
			changes = append(changes, s.Statement+": is new")
		case was.Text != s.Text:
			changes = append(changes, s.Statement+": has another text")
		case worse:
			found = append(found, f)
		case was.Shape != s.Shape:
			changes = append(changes, s.Statement+": has another plan")
		}
	}
	for name := range left {
		changes = append(changes, name+": is gone")
	}
	slices.Sort(changes)
	found.sort()
	return found, changes, nil
}

// worse reports whether a plan is worse than it was, and how.
func (p PlanShape) worse(now PlanShape) (f Finding, worse bool) {
	f = Finding{
		Level: schema.Warning, Object: now.Statement, Before: p.Shape, Plan: now.Shape,
		Follows: fmt.Sprintf("the cost was %.4g, and is %.4g", rounded(p.Cost), rounded(now.Cost)),
		Go:      "if that is meant, record the plan anew",
	}
	lost, scanned := missing(p.indexes(), now.indexes()), missing(now.scans(), p.scans())
	switch {
	case len(lost) > 0 && len(now.indexes()) < len(p.indexes()):
		f.ID, f.Evidence = "B1", strings.Join(lost, ", ")+" is not used any more"
	case len(scanned) > 0:
		f.ID, f.Evidence = "B2", "all of "+strings.Join(scanned, ", ")+" is read, which was not"
	case now.Cost >= costlier*max(p.Cost, 1):
		f.ID, f.Evidence = "B3", "it costs ten times as much"
	}
	return f, f.ID != ""
}

// indexes returns the indexes that a plan uses, as often as it does.
func (p PlanShape) indexes() (names []string) {
	for line := range strings.SplitSeq(p.Shape, "\n") {
		if _, rest, ok := strings.Cut(line, " by "); ok {
			name, _, _ := strings.Cut(rest, " on ")
			names = append(names, name)
		}
	}
	return names
}

// scans returns the tables that a plan reads all of.
func (p PlanShape) scans() (names []string) {
	for line := range strings.SplitSeq(p.Shape, "\n") {
		if _, name, ok := strings.Cut(line, "Seq Scan on "); ok {
			names = append(names, name)
		}
	}
	return names
}

// missing returns what of a is not in b, sorted, each once.
func missing(a, b []string) (only []string) {
	for _, name := range a {
		if !slices.Contains(b, name) {
			only = append(only, name)
		}
	}
	slices.Sort(only)
	return slices.Compact(only)
}

// Record returns the plans as they are now. A cost is the recorded one where that is
// within a factor of two and the shape is the same.
func (p Plans) Record(now Plans) Plans {
	now.Plans = slices.Clone(now.Plans)
	for i := range now.Plans {
		s := &now.Plans[i]
		at := slices.IndexFunc(p.Plans, func(was PlanShape) bool { return was.Statement == s.Statement })
		if at < 0 || p.Source != now.Source {
			continue
		}
		if was := p.Plans[at]; was.Shape == s.Shape && s.Cost <= 2*was.Cost && was.Cost <= 2*s.Cost {
			s.Cost = was.Cost
		}
	}
	slices.SortFunc(now.Plans, func(a, b PlanShape) int {
		return cmp.Or(cmp.Compare(a.Statement, b.Statement), cmp.Compare(a.Text, b.Text))
	})
	return now
}
