package schema

import (
	"context"
	"fmt"
	"slices"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/verify"
)

// Verify compares declarations with a database, and returns what differs. It reads
// the catalog in one statement, asks the server to plan each declared conflict, and
// changes nothing. The relations that lead from the declared tables are compared too;
// they need not be named.
//
// In a transaction a conflict is asked about within a savepoint. Declare tables and
// relations in package variables: a relation that is not reachable any more is not known.
//
// Types are compared by what pgx on a connection of db knows of them, so types that the
// program registers there count. What Verify cannot see: fragments of SQL in the
// program, what triggers do, what is NULL in a view, and whether the rows that are there
// fit.
//
// The error says that there is nothing to compare (a *smrt.QueryError), or that the
// database could not be asked. Findings are no error, see [Findings.Err]. Verify is safe
// for concurrent use if db is.
func Verify(ctx context.Context, db smrt.DB, declarations ...Declaration) (Findings, error) {
	tables, uses, err := split(declarations)
	if err != nil {
		return nil, err
	}
	if db == nil {
		return nil, errNoHandle
	}
	found, err := verify.Tables(ctx, db, tables, uses)
	if err != nil {
		return nil, fmt.Errorf("smrt: schema: %w", err)
	}
	findings := make(Findings, len(found))
	for i, f := range found {
		findings[i] = Finding{
			Check: Check(f.Check), Level: Level(f.Level), Site: f.Site, Table: f.Table, Column: f.Column,
			Problem: f.Problem, SQL: f.SQL, Go: f.Go,
		}
	}
	return findings, nil
}

var errNoHandle = &smrt.QueryError{Reason: "schema: the handle is nil: give a pool, a connection or a transaction"}

// split returns the tables of declarations, each once, and their uses.
func split(declarations []Declaration) (tables []*plan.Table, uses []verify.Use, err error) {
	if len(declarations) == 0 {
		return nil, nil, &smrt.QueryError{Reason: "schema: there is nothing to verify: give the tables that the program declares"}
	}
	for i, d := range declarations {
		if d == nil {
			return nil, nil, &smrt.QueryError{Reason: fmt.Sprintf("schema: declaration %d is nil", i)}
		}
		t := d.Plan()
		if !slices.Contains(tables, t) {
			tables = append(tables, t)
		}
		if u, ok := d.(use); ok {
			if u.err != nil {
				return nil, nil, u.err
			}
			uses = append(uses, u.Use)
		}
	}
	return tables, uses, nil
}
