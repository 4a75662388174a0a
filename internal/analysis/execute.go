package analysis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/explain"
	"github.com/smrt-go/smrt/internal/verify"
)

// From where on what was measured is a finding.
const (
	wrongBy    = 100  // times the rows that were expected, or a part of them
	wrongRows  = 1000 // rows that must be there, or expected
	compiling  = 0.2  // of the time
	shortQuery = 100  // milliseconds without compiling
)

// execute runs a statement with values that most rows have and looks at what was measured.
// It is run in a savepoint that is rolled back, of a transaction that is too, which may
// write until then.
func (a *Analysis) execute(ctx context.Context, db Beginner, s *statement) (err error) {
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if rollback := tx.Rollback(context.WithoutCancel(ctx)); !errors.Is(rollback, pgx.ErrTxClosed) {
			err = errors.Join(err, rollback)
		}
	}()
	if _, err := tx.Exec(ctx, limits, pgx.QueryExecModeExec); err != nil {
		return err
	}
	s.Plan, err = explain.ForRuns(tx).Run(ctx, s.SQL, s.parameters, s.usual)
	if err != nil {
		return a.refused(s.Statement, err)
	}
	s.Root.Walk(func(n *explain.Node, above []*explain.Node) {
		if !endsEarly(n, above) {
			s.checkEstimate(n)
		}
		s.checkSpill(n)
	})
	if jit := s.JIT.Timing.Total; jit > compiling*s.Took && s.Took-jit < shortQuery {
		s.add(Finding{
			ID: "P9", Level: verify.Warning, SQL: "ALTER DATABASE " + quoted(s.Database) + " SET jit_above_cost = 1000000",
			Evidence: fmt.Sprintf("%.0f of %.0f ms went into compiling it", jit, s.Took), Follows: "it would be faster uncompiled; each call compiles anew",
		}, "")
	}
	return nil
}

// checkEstimate looks for a scan that finds far more rows than were expected, or far fewer,
// by what it asks of several columns: by themselves they are in the statistics, together
// they are not, unless these are asked for.
func (s *statement) checkEstimate(n *explain.Node) {
	t := s.store(n)
	if t == nil || n.ActualLoops == 0 || max(n.ActualRows, n.Rows) < wrongRows ||
		max(n.ActualRows, 1) < wrongBy*max(n.Rows, 1) && max(n.Rows, 1) < wrongBy*max(n.ActualRows, 1) {
		return
	}
	f := Finding{
		ID: "P5", Level: verify.Warning, Evidence: fmt.Sprintf("%.0f rows of %s were expected, and %.0f found: %s", n.Rows, t.Name, n.ActualRows, strings.Join(n.Conditions(), " AND ")),
		Follows: "what is joined with them is joined in a way for other numbers", SQL: "ANALYZE " + t.Name,
	}
	var columns []string
	for _, text := range []string{n.IndexCond, n.Recheck, n.Filter} {
		columns = append(columns, names(conditions(text), "=", "= ANY", "IS NULL", "<", ">", "<=", ">=")...)
	}
	if len(columns) > 1 {
		f.SQL = "CREATE STATISTICS ON " + strings.Join(columns, ", ") + " FROM " + t.Name + "; " + f.SQL
		if s.Major == 14 || s.Major == 15 { // where they must have a name
			f.SQL = strings.Replace(f.SQL, "STATISTICS ON", "STATISTICS "+quoted(strings.Join(append([]string{n.Relation}, columns...), "_")+"_stats")+" ON", 1)
		}
	}
	s.add(f, t.Name)
}

// checkSpill looks for a step that had too little memory and went by way of the disk.
func (s *statement) checkSpill(n *explain.Node) {
	if n.SortSpace != "Disk" && n.Batches < 2 && n.AggBatches < 2 {
		return
	}
	s.add(Finding{
		ID: "P8", Level: verify.Warning, Go: "give the transaction of this statement more work_mem, or read fewer rows",
		Evidence: fmt.Sprintf("%s wrote %s to disk", n.Type, bytes(max(n.SortKB*1024, n.TempWritten*8192))), Follows: "the disk is much slower than memory, and shared",
	}, "")
}
