package pgerr

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
)

// constraintKinds by SQLSTATE, PostgreSQL's class 23. A foreign key that says
// RESTRICT has its own since PostgreSQL 18.
var constraintKinds = map[string]smrt.ConstraintKind{
	"23001": smrt.ForeignKeyViolation, "23502": smrt.NotNullViolation, "23503": smrt.ForeignKeyViolation,
	"23505": smrt.UniqueViolation, "23514": smrt.CheckViolation, "23P01": smrt.ExclusionViolation,
}

// The functions of the server that raise errors whose SQLSTATE is not enough.
const (
	raiseStatement = "exec_stmt_raise"    // RAISE in PL/pgSQL, with any SQLSTATE and text
	foreignKey     = "ri_ReportViolation" // both directions of a foreign key
	noPartition    = "ExecFindPartition"  // shares its SQLSTATE with checks
	otherPartition = "ExecPartitionCheckEmitError"
)

// raised reports whether the text of the error is the user's.
func raised(pg *pgconn.PgError) bool {
	return pg.Routine == raiseStatement || strings.HasPrefix(pg.Code, "P0")
}

// IsRaised reports whether a function or trigger of the database raised err.
func IsRaised(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && raised(pg)
}

// Violated returns the server's error if it is about a constraint.
func Violated(err error) (*pgconn.PgError, bool) {
	var pg *pgconn.PgError
	ok := errors.As(err, &pg) && constraintKind(pg) != 0 && !raised(pg)
	return pg, ok
}

// IsMissingParent reports whether a row refers to one that does not exist.
func IsMissingParent(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23503" && pg.Routine == foreignKey && direction("", "", pg) == smrt.MissingParent
}

// ColumnsOf returns the columns of a violated constraint as far as they were
// found out.
func ColumnsOf(err error) []string {
	var known *Columns
	if errors.As(err, &known) {
		return known.Names
	}
	return nil
}

// constraintKind returns the kind of constraint that was violated, 0 for none.
func constraintKind(pg *pgconn.PgError) smrt.ConstraintKind {
	kind := constraintKinds[pg.Code]
	if kind == smrt.CheckViolation && (pg.Routine == noPartition || pg.Routine == otherPartition) {
		return smrt.PartitionViolation
	}
	return kind
}

func constraint(op Op, table string, kind smrt.ConstraintKind, err error, pg *pgconn.PgError) error {
	e := &smrt.ConstraintError{Kind: kind, Table: pg.TableName, Constraint: pg.ConstraintName, Err: pg}
	var known *Columns
	if errors.As(err, &known) {
		e.Columns, e.Rows = known.Names, known.Rows
	}
	if pg.ColumnName != "" {
		e.Columns = []string{pg.ColumnName}
	}
	if kind == smrt.ForeignKeyViolation {
		e.Direction = direction(op, table, pg)
	}
	return e
}

// direction returns which side of a foreign key was violated. The server reports
// both with one SQLSTATE and one function, and names the table that has the
// foreign key in both. Its texts differ in how many names they quote, whatever the
// language:
//
//	insert or update on table "visits" violates foreign key constraint "fk"
//	update or delete on table "sites" violates foreign key constraint "fk" on table "visits"
//
// Neither the operation nor the table of the call tells it: a trigger may have
// written elsewhere, the table may be a partition, and a table may refer to itself.
// Of an engine that has no such function the latter two are all that is known.
func direction(op Op, table string, pg *pgconn.PgError) smrt.Direction {
	switch {
	case pg.Code == "23001":
		return smrt.StillReferenced
	case pg.Routine == foreignKey:
		if quotedNames(pg) > 2 {
			return smrt.StillReferenced
		}
		return smrt.MissingParent
	case raised(pg):
		return 0
	case op == "delete" || pg.TableName != table[strings.LastIndexByte(table, '.')+1:]:
		return smrt.StillReferenced
	}
	return smrt.MissingParent
}

// quotedNames counts the names in the message. Those that are known may have
// quotes of their own.
func quotedNames(pg *pgconn.PgError) int {
	text := strings.NewReplacer(pg.ConstraintName, "", pg.TableName, "").Replace(pg.Message)
	quotes := 0
	for _, r := range text {
		if strings.ContainsRune("\"\u00ab\u00bb\u201c\u201d\u201e\u201f", r) {
			quotes++
		}
	}
	return quotes / 2
}

// Columns is a violated constraint with the columns it is on, which the server
// does not report with the error, and the rows of the call that violate it.
type Columns struct {
	Names []string
	Rows  []int
	Err   error
}

func (c *Columns) Error() string { return c.Err.Error() }

// Unwrap gives the server's error.
func (c *Columns) Unwrap() error { return c.Err }

// NeedsColumns returns the server's error if it is about a constraint whose
// columns it does not name.
func NeedsColumns(err error) (*pgconn.PgError, bool) {
	var pg *pgconn.PgError
	var known *Columns
	if errors.As(err, &known) || !errors.As(err, &pg) || pg.ConstraintName == "" || pg.ColumnName != "" {
		return nil, false
	}
	return pg, constraintKind(pg) != 0
}
