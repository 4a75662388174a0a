package analyze

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/smrt-go/smrt/internal/analysis"
	"github.com/smrt-go/smrt/internal/sqlc"
	"github.com/smrt-go/smrt/observe"
)

// Statement is a statement that a program sends, whatever its values. Only its text is
// needed; what was counted may be 0.
type Statement struct {
	Name      string        `json:"name,omitempty"` // by which findings call it: "products.find", or the name of a query of sqlc
	SQL       string        `json:"sql"`            // with $1 and so on for values
	Site      string        `json:"site,omitempty"` // where it is in the program
	Calls     int64         `json:"calls,omitempty"`
	Rows      int64         `json:"rows,omitempty"`       // of all calls
	Total     time.Duration `json:"total,omitempty"`      // of all calls, in nanoseconds
	MaxOffset int64         `json:"max_offset,omitempty"` // the greatest OFFSET of a call
}

// Workload are the statements that a program sends.
type Workload []Statement

// ReadWorkload reads a workload that was written as JSON: an array of statements.
func ReadWorkload(r io.Reader) (Workload, error) {
	var w Workload
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return nil, fmt.Errorf("smrt: analyze: the workload is no array of statements: %w", err)
	}
	for i, s := range w {
		if s.SQL == "" {
			return nil, fmt.Errorf("smrt: analyze: statement %d of the workload, %q, has no sql", i, s.Name)
		}
	}
	return w, nil
}

// Queries returns the queries that sqlc compiled into the Go files of a folder:
//
//	workload, err := analyze.Queries(os.DirFS("internal/shopdb"))
//
// Folders inside are not read. A folder without queries is an empty workload.
func Queries(folder fs.FS) (Workload, error) {
	queries, err := sqlc.Read(folder)
	if err != nil {
		return nil, fmt.Errorf("smrt: analyze: %w", err)
	}
	var w Workload
	for _, q := range queries {
		w = append(w, Statement{Name: q.Name, SQL: q.SQL, Site: q.Site})
	}
	return w, nil
}

// statement returns what is looked at of it.
func (s Statement) statement() analysis.Statement {
	return analysis.Statement{Name: s.Name, SQL: s.SQL, Site: s.Site, MaxOffset: s.MaxOffset, Calls: s.Calls, Rows: s.Rows}
}

// statements returns the statements of a workload, each text once, in the order of their
// names and texts. What was counted of one text is the greatest that was. Where several
// texts have one name, as different searches of one table, a digest tells them apart.
func (w Workload) statements() (all []analysis.Statement) {
	at, texts := map[string]int{}, map[string]int{}
	for _, s := range w {
		i, known := at[s.SQL]
		if !known {
			at[s.SQL] = len(all)
			all = append(all, s.statement())
			continue
		}
		one := &all[i]
		one.Calls, one.Rows = max(one.Calls, s.Calls), max(one.Rows, s.Rows)
		one.Name, one.Site, one.MaxOffset = cmp.Or(one.Name, s.Name), cmp.Or(one.Site, s.Site), max(one.MaxOffset, s.MaxOffset)
	}
	for _, s := range all {
		texts[s.Name]++
	}
	for i := range all {
		if s := &all[i]; s.Name != "" && texts[s.Name] > 1 {
			s.Name += " " + s.Digest()
		}
	}
	slices.SortFunc(all, func(a, b analysis.Statement) int {
		return cmp.Or(cmp.Compare(a.Title(), b.Title()), cmp.Compare(a.SQL, b.SQL))
	})
	return all
}

// with returns the statements of a workload and of snapshots.
func (w Workload) with(snapshots []observe.Snapshot) []analysis.Statement {
	return slices.Concat(w, Observed(snapshots...)).statements()
}

// checkWorkload looks at the plans of the statements.
func (r *run) checkWorkload(ctx context.Context, db DB) error {
	all, done := r.options.Workload.with(r.options.Snapshots), 0
	r.statements = len(all)
	return r.Statements(ctx, db, all, func() {
		if done++; r.options.Progress != nil {
			r.options.Progress(done, len(all))
		}
	})
}
