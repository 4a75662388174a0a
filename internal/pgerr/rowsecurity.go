package pgerr

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
)

// Functions of the server that report row security. The SQLSTATEs are shared with
// missing privileges, and with everything else that is not supported; the messages
// are translated.
const (
	withCheck = "ExecWithCheckOptions" // a row that was written is none that a policy allows
	copyFrom  = "DoCopy"
	filtered  = "check_enable_rls" // row_security is off
)

// policy returns what row security has refused, or nil.
func policy(table string, pg *pgconn.PgError) error {
	reason := ""
	switch {
	case pg.Code == "42501" && pg.Routine == withCheck:
		reason = "a row that is written, or that ON CONFLICT meets, is none that the policies allow: " +
			"it is of another tenant than the one that the server was told, or the server was told none"
	case pg.Code == "0A000" && pg.Routine == copyFrom:
		reason = "COPY into a table with policies is not supported: insert the rows, as CreateMany does"
	case pg.Code == "42501" && pg.Routine == filtered:
		reason = "policies decide which rows are seen, and row_security is off: set it on, or use a role with BYPASSRLS"
	default:
		return nil
	}
	return &smrt.RowSecurityError{Table: table, Reason: reason, Err: pg}
}

// Policy gives an error of row security its type, and returns others as they are.
func Policy(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && !errors.Is(err, smrt.ErrRowSecurity) {
		if refused := policy("", pg); refused != nil {
			return refused
		}
	}
	return err
}
