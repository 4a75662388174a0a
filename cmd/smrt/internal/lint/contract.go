package lint

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/cmd/smrt/internal/annotation"
	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/schema"
)

// need is a line of a release's contract that does not hold.
type need struct{ release, table, problem string }

// releases is what releases miss, and since which statement.
type releases struct {
	all   []migrate.Contract
	miss  map[need]bool
	by    map[need]*statement
	never map[need]bool // those that have been missed from the beginning
}

// unmet asks on a connection what the releases miss.
func (r *releases) unmet(ctx context.Context, conn *pgx.Conn) (map[need]bool, error) {
	miss := make(map[need]bool)
	for _, release := range r.all {
		found, err := release.Contract.Check(ctx, inside{conn})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", release.Name, err)
		}
		for _, f := range found {
			if f.Level == schema.Fault {
				miss[need{release.Name, f.Table, f.Problem}] = true
			}
		}
	}
	return miss, nil
}

// note compares what is missed with what was before the statement.
func (r *releases) note(s *statement, now map[need]bool) {
	for n := range now {
		if !r.miss[n] {
			r.by[n] = s
		}
	}
	maps.DeleteFunc(r.by, func(n need, _ *statement) bool { return !now[n] })
	maps.DeleteFunc(r.never, func(n need, _ bool) bool { return !now[n] })
	r.miss = now
}

// unfit is what no state of the database had: the contract is of another one, or of a
// version that is not among those that are judged.
func (r *releases) unfit() (findings []Finding) {
	for n := range r.never {
		findings = append(findings, Finding{
			Rule: Contract, Name: names[Contract], File: n.release, Line: 1, Table: n.table,
			Problem: fmt.Sprintf("%s %s, neither before nor after the migrations that are judged", n.table, n.problem),
			Safe:    "the contract of a release that runs on the version of --from",
		})
	}
	return findings
}

// findings are what is missed at the end of a migration and was there before it. A
// migration that waits for releases to end is left to the command that runs it.
func (r *releases) findings(f *file) (findings []Finding) {
	defer clear(r.by)
	if slices.ContainsFunc(f.annotations, func(a annotation.Annotation) bool { return a.Name == annotation.Phase && a.Text == "contract" }) {
		return nil
	}
	for n, s := range r.by {
		findings = append(findings, Finding{
			Rule: Contract, Name: names[Contract], File: f.path, Line: s.first, Statement: s.text, Table: n.table,
			Problem: fmt.Sprintf("the release of %s fails from here on: %s %s", n.release, n.table, n.problem),
			Safe:    "what is needed stays until no release needs it; -- smrt:phase contract says that the migration waits for that",
		})
	}
	return findings
}
