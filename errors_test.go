package smrt_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
)

var pgError = &pgconn.PgError{Code: "23505", Detail: "Key (email)=(secret) already exists."}

// TestErrorTypes proves of each type of error which sentinels it answers to,
// also when wrapped, and what it says.
func TestErrorTypes(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		is   []error
		text string
	}{
		"not found":     {smrt.ErrNotFound, []error{smrt.ErrNotFound, pgx.ErrNoRows}, "not found"},
		"too many rows": {smrt.ErrTooManyRows, []error{smrt.ErrTooManyRows, pgx.ErrTooManyRows}, "more than one row matches"},
		"unique": {
			&smrt.ConstraintError{Kind: smrt.UniqueViolation, Table: "customers", Constraint: "customers_email_key", Columns: []string{"email"}, Err: pgError},
			[]error{smrt.ErrConflict, pgError},
			`unique constraint "customers_email_key" of table "customers" violated (email)`,
		},
		"exclusion": {
			&smrt.ConstraintError{Kind: smrt.ExclusionViolation, Table: "bookings", Constraint: "no_overlap"},
			[]error{smrt.ErrConflict},
			`exclusion constraint "no_overlap" of table "bookings" violated`,
		},
		"missing parent": {
			&smrt.ConstraintError{Kind: smrt.ForeignKeyViolation, Table: "orders", Constraint: "fk", Direction: smrt.MissingParent},
			[]error{smrt.ErrForeignKey},
			`foreign key constraint "fk" of table "orders" violated: the referenced row does not exist`,
		},
		"still referenced": {
			&smrt.ConstraintError{Kind: smrt.ForeignKeyViolation, Table: "orders", Constraint: "fk", Direction: smrt.StillReferenced},
			[]error{smrt.ErrForeignKey},
			`foreign key constraint "fk" of table "orders" violated: the row is still referenced`,
		},
		"not null": {
			&smrt.ConstraintError{Kind: smrt.NotNullViolation, Table: "orders", Columns: []string{"note"}},
			[]error{smrt.ErrNotNull},
			`not null constraint of table "orders" violated (note)`,
		},
		"check": {
			&smrt.ConstraintError{Kind: smrt.CheckViolation, Table: "orders", Constraint: "positive"},
			[]error{smrt.ErrCheck},
			`check constraint "positive" of table "orders" violated`,
		},
		"value": {
			&smrt.ValueError{Table: "orders", Column: "total", Row: 3, Min: "0", Max: "9", Offset: -1, Err: smrt.ErrOutOfRange, Cause: pgError},
			[]error{smrt.ErrOutOfRange, pgError},
			`value out of range: column "total" of "orders", row 3 of the call, allowed 0 to 9`,
		},
		"text": {
			&smrt.ValueError{Table: "orders", Row: -1, Offset: 5, Reason: "it contains a NUL byte", Err: smrt.ErrInvalidText},
			[]error{smrt.ErrInvalidText},
			`invalid text: table "orders", at byte 5: it contains a NUL byte`,
		},
		"stale": {&smrt.StaleError{Table: "orders", Have: 2}, []error{smrt.ErrStale}, `table "orders": read it again`},
		"incomplete": {
			&smrt.IncompleteError{Table: "orders", Rows: []int{2, 5}, Err: smrt.ErrStale},
			[]error{smrt.ErrStale},
			`2 rows of the call not written to "orders", the first is row 2`,
		},
		"duplicate":                  {&smrt.DuplicateError{Table: "orders", Rows: [2]int{1, 4}}, []error{smrt.ErrDuplicateInBatch}, `table "orders", rows 1 and 4`},
		"query":                      {&smrt.QueryError{Reason: "no columns"}, []error{smrt.ErrBadQuery}, "bad query: no columns"},
		"transaction that has ended": {smrt.ErrTxDone, []error{smrt.ErrTxDone, pgx.ErrTxClosed}, "the transaction has ended"},
		"commit in doubt": {
			&smrt.CommitUnknownError{Err: pgError},
			[]error{smrt.ErrCommitUnknown, pgError},
			"the outcome of the commit is unknown: look for its effects before running it again",
		},
		"keyed commit in doubt":   {&smrt.CommitUnknownError{Key: "secret", Err: pgError}, []error{smrt.ErrCommitUnknown}, "run it again with the same key"},
		"tracked commit in doubt": {&smrt.CommitUnknownError{XID: "77", Err: pgError}, []error{smrt.ErrCommitUnknown}, "what became of transaction 77"},
		"retries": {
			&smrt.RetryError{Attempts: 3, Elapsed: time.Second, Limit: "attempts", Err: pgError},
			[]error{smrt.ErrRetriesExhausted, pgError},
			"retries exhausted: limit of attempts reached after 3 attempts in 1s",
		},
		"aborted": {&smrt.AbortedError{Err: pgError}, []error{smrt.ErrTxAborted, pgError}, "aborted by an earlier error: return it"},
		"connect": {
			&smrt.ConnectTimeoutError{Waited: time.Second, Opening: 2, Err: pgError},
			[]error{smrt.ErrConnectTimeout, pgError},
			"no connection could be opened in time: waited 1s, 2 being opened",
		},
		"options": {&smrt.OptionsError{Option: "Key", Reason: "is too long"}, []error{smrt.ErrBadOptions}, "bad options: Key is too long"},
		"pipeline": {
			&smrt.PipelineError{Errors: []error{smrt.ErrNotRun, nil, pgError}},
			[]error{smrt.ErrNotRun, pgError},
			"2 of 3 steps of the pipeline failed, because of step 2",
		},
		"pipeline without errors": {&smrt.PipelineError{}, nil, "no step failed"},
		"page":                    {&smrt.PageError{What: "size", Min: 1, Max: 10}, []error{smrt.ErrBadPage}, "bad page: size must be between 1 and 10"},
		"cursor":                  {&smrt.CursorError{Reason: "malformed"}, []error{smrt.ErrBadCursor}, "bad cursor: malformed: start again from the first page"},
	} {
		t.Run(name, func(t *testing.T) {
			wrapped := fmt.Errorf("outside: %w", c.err)
			for _, target := range c.is {
				if !errors.Is(wrapped, target) {
					t.Errorf("does not answer to %v", target)
				}
			}
			if !strings.Contains(c.err.Error(), c.text) {
				t.Errorf("says %q, want %q in it", c.err, c.text)
			}
			if strings.Contains(c.err.Error(), "secret") {
				t.Errorf("repeats a value: %q", c.err)
			}
		})
	}
}

// TestKindsHaveNames proves that no kind or direction prints as a number.
func TestKindsHaveNames(t *testing.T) {
	for kind, want := range map[fmt.Stringer]string{
		smrt.UniqueViolation: "unique", smrt.ExclusionViolation: "exclusion", smrt.ForeignKeyViolation: "foreign key",
		smrt.NotNullViolation: "not null", smrt.CheckViolation: "check", smrt.ConstraintKind(99): "unknown",
		smrt.Direction(99): "unknown direction",
	} {
		if got := kind.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
