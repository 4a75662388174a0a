package smrt_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
)

var (
	// pgError has a value in its texts, which no text of smrt's repeats unless it
	// is the cause that somebody else's error quotes.
	pgError = &pgconn.PgError{Severity: "ERROR", Code: "23505", Message: "duplicate", Detail: "Key (email)=(secret) already exists."}

	errCause = errors.New("the cause")
)

// errorTypes has each type of error, with and without each of its parts: which
// sentinels and causes errors.Is finds, and the whole of its text.
var errorTypes = map[string]struct {
	err  error
	is   []error
	text string
}{
	"unique": {
		&smrt.ConstraintError{Kind: smrt.UniqueViolation, Table: "customers", Constraint: "customers_email_key", Columns: []string{"email"}, Err: pgError},
		[]error{smrt.ErrConflict, pgError},
		`unique constraint "customers_email_key" of table "customers" violated (email)`,
	},
	"another tenant": {
		&smrt.TenantError{Table: "tickets", Column: "tenant_id", Row: 3, What: "entity", Err: smrt.ErrTenantMismatch},
		[]error{smrt.ErrTenantMismatch},
		`entity 3 of table "tickets", tenant column "tenant_id": of another tenant than that of the context`,
	},
	"a transaction of another tenant": {
		&smrt.TenantError{Row: -1, What: "transaction", Err: smrt.ErrTenantMismatch},
		[]error{smrt.ErrTenantMismatch},
		"the transaction is of another tenant than that of the context",
	},
	"no tenant": {
		&smrt.TenantError{Table: "tickets", Column: "tenant_id", Row: -1, What: "context", Err: smrt.ErrNoTenant},
		[]error{smrt.ErrNoTenant},
		`table "tickets", tenant column "tenant_id": there is no tenant in the context: set one with smrt.WithTenant where the request begins`,
	},
	"row security": {
		&smrt.RowSecurityError{Table: "tickets", Reason: "no such row", Err: pgError},
		[]error{smrt.ErrRowSecurity, pgError},
		`row security of table "tickets": no such row`,
	},
	"row security without a table": {
		&smrt.RowSecurityError{Reason: "no such row"},
		[]error{smrt.ErrRowSecurity},
		`row security: no such row`,
	},
	"a role that is not held": {
		&smrt.RowSecurityError{Role: "postgres", Reason: "it is a superuser"},
		[]error{smrt.ErrRowSecurity},
		`row security does not hold role "postgres": it is a superuser`,
	},
	"limit": {
		&smrt.LimitError{Limit: "MaxLimit", Max: 10, Actual: 11, Way: "set a Limit", Err: smrt.ErrRowLimit},
		[]error{smrt.ErrRowLimit, smrt.ErrLimit},
		"the read has more rows than are allowed: MaxLimit is 10, this is 11: set a Limit",
	},
	"limit of little time": {
		&smrt.LimitError{Limit: "Timeout", Max: int64(time.Millisecond), Actual: int64(1234567), Way: "make it cheaper", Err: smrt.ErrTimeLimit},
		[]error{smrt.ErrTimeLimit},
		"the call takes longer than is allowed: Timeout is 1ms, this is 1.235ms: make it cheaper",
	},
	"limit of time": {
		&smrt.LimitError{Limit: "Timeout", Max: int64(time.Second), Actual: int64(1234567 * time.Microsecond), Way: "make it cheaper", Err: smrt.ErrTimeLimit},
		[]error{smrt.ErrTimeLimit, smrt.ErrLimit, context.DeadlineExceeded},
		"the call takes longer than is allowed: Timeout is 1s, this is 1.235s: make it cheaper",
	},
	"limit of writes": {
		&smrt.LimitError{Limit: "BoundedWrites", Max: 1, Actual: 2, Way: "add a condition", Err: smrt.ErrUnboundedWrite},
		[]error{smrt.ErrUnboundedWrite, smrt.ErrLimit},
		"the predicate matches every row, which BoundedWrites forbids: add a condition",
	},
	"left out": {
		&smrt.LeftOutError{Table: "letters", Sent: 3, Written: -1, Err: pgError},
		[]error{smrt.ErrLeftOut, pgError},
		`the database left out a row: of 3 rows for "letters" nothing was written: look for triggers and rules, and declare the table with MayLeaveOut if it is meant`,
	},
	"left out by a rule": {
		&smrt.LeftOutError{Table: "letters", Sent: 3, Written: 2},
		[]error{smrt.ErrLeftOut},
		`the database left out a row: of 3 rows for "letters" 2 were written: look for triggers and rules, and declare the table with MayLeaveOut if it is meant`,
	},
	"came back under another key": {
		&smrt.LeftOutError{Table: "letters", Sent: 3, Written: -1},
		[]error{smrt.ErrLeftOut},
		`the database left out a row: of 3 rows for "letters" they came back under other keys: look for triggers and rules, and declare the table with MayLeaveOut if it is meant`,
	},
	"exclusion": {
		&smrt.ConstraintError{Kind: smrt.ExclusionViolation, Table: "bookings", Constraint: "no_overlap", Columns: []string{"room", "during"}},
		[]error{smrt.ErrConflict},
		`exclusion constraint "no_overlap" of table "bookings" violated (room, during)`,
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
		&smrt.ConstraintError{Kind: smrt.CheckViolation, Table: "orders", Constraint: "positive", Err: pgError},
		[]error{smrt.ErrCheck, pgError},
		`check constraint "positive" of table "orders" violated`,
	},
	"value": {
		&smrt.ValueError{Table: "orders", Column: "total", Row: 3, Min: "0", Max: "9", Offset: -1, Err: smrt.ErrOutOfRange, Cause: pgError},
		[]error{smrt.ErrOutOfRange, pgError},
		`value out of range: column "total" of "orders", row 3 of the call, allowed 0 to 9`,
	},
	"value of no table": {
		&smrt.ValueError{Column: "total", Row: -1, Offset: -1, Err: smrt.ErrNullValue},
		[]error{smrt.ErrNullValue},
		`NULL in a field that cannot hold it: make the field a pointer: column "total"`,
	},
	"value at an offset": {
		&smrt.ValueError{Table: "orders", Row: -1, Offset: 5, Reason: "it contains a NUL byte", Err: smrt.ErrInvalidText},
		[]error{smrt.ErrInvalidText},
		`invalid text: table "orders", at byte 5: it contains a NUL byte`,
	},
	"value of the first row and byte": {
		&smrt.ValueError{Table: "orders", Column: "doc", Row: 0, Offset: 0, Err: smrt.ErrInvalidJSON},
		[]error{smrt.ErrInvalidJSON},
		`invalid JSON: column "doc" of "orders", row 0 of the call, at byte 0`,
	},
	"a rule": {
		&smrt.RuleError{Violations: []smrt.Violation{{Row: 0, Table: "orders", Columns: []string{"total"}, Rule: "at_least", Limit: "0"}}, Total: 1, Rows: 1},
		[]error{smrt.ErrRule},
		`a value breaks a rule of its table: column "total" of "orders", row 0: must be at least 0`,
	},
	"rules of many rows": {
		&smrt.RuleError{Violations: []smrt.Violation{{Row: 3, Table: "orders", Columns: []string{"placed", "sent"}, Rule: "placed_before_sent"}}, Total: 7, Rows: 5},
		[]error{smrt.ErrRule},
		`a value breaks a rule of its table: columns placed, sent of "orders", row 3: must satisfy placed_before_sent (the first of 7, in 5 rows)`,
	},
	"a rule of no column": {
		&smrt.RuleError{Violations: []smrt.Violation{{Table: "orders", Rule: "complete"}}, Total: 1, Rows: 1},
		[]error{smrt.ErrRule},
		`a value breaks a rule of its table: table "orders", row 0: must satisfy complete`,
	},
	"zero key":   {&smrt.ValueError{Row: -1, Offset: -1, Err: smrt.ErrZeroKey}, []error{smrt.ErrZeroKey}, "zero key"},
	"nil entity": {&smrt.ValueError{Row: 1, Offset: -1, Err: smrt.ErrNilEntity}, []error{smrt.ErrNilEntity}, "nil entity, row 1 of the call"},
	"stale": {
		&smrt.StaleError{Table: "orders", Have: 2},
		[]error{smrt.ErrStale},
		`the row was changed since it was read: table "orders": read it again and repeat the change`,
	},
	"incomplete, stale": {
		&smrt.IncompleteError{Table: "orders", Rows: []int{2, 5}, Err: smrt.ErrStale},
		[]error{smrt.ErrStale},
		`2 rows of the call not written to "orders", the first is row 2: the row was changed since it was read`,
	},
	"incomplete, missing": {
		&smrt.IncompleteError{Table: "orders", Rows: []int{0}, Err: smrt.ErrNotFound},
		[]error{smrt.ErrNotFound, pgx.ErrNoRows},
		`1 rows of the call not written to "orders", the first is row 0: not found`,
	},
	"duplicate": {
		&smrt.DuplicateError{Table: "orders", Rows: [2]int{1, 4}},
		[]error{smrt.ErrDuplicateInBatch},
		`the same key twice in one call: table "orders", rows 1 and 4`,
	},
	"query":  {&smrt.QueryError{Reason: "no columns"}, []error{smrt.ErrBadQuery}, "bad query: no columns"},
	"page":   {&smrt.PageError{What: "size", Min: 1, Max: 10}, []error{smrt.ErrBadPage}, "bad page: size must be between 1 and 10"},
	"cursor": {&smrt.CursorError{Reason: "malformed"}, []error{smrt.ErrBadCursor}, "bad cursor: malformed: start again from the first page"},
	"commit in doubt": {
		&smrt.CommitUnknownError{Err: errCause},
		[]error{smrt.ErrCommitUnknown, errCause},
		"the outcome of the commit is unknown: look for its effects before running it again, or give it a key (txn.Options.Key): the cause",
	},
	"commit in doubt, with a key": {
		&smrt.CommitUnknownError{Key: "secret", XID: "77", Err: errCause},
		[]error{smrt.ErrCommitUnknown, errCause},
		"the outcome of the commit is unknown: run it again with the same key: the cause",
	},
	"commit in doubt, with an id": {
		&smrt.CommitUnknownError{XID: "77", Err: errCause},
		[]error{smrt.ErrCommitUnknown, errCause},
		"the outcome of the commit is unknown: txn.Resolve may find out what became of transaction 77: the cause",
	},
	"retries": {
		&smrt.RetryError{Attempts: 3, Elapsed: 1001499 * time.Microsecond, Limit: "attempts", Err: errCause},
		[]error{smrt.ErrRetriesExhausted, errCause},
		"retries exhausted: limit of attempts reached after 3 attempts in 1.001s: the cause",
	},
	"aborted": {
		&smrt.AbortedError{Err: errCause},
		[]error{smrt.ErrTxAborted, errCause},
		"the transaction was aborted by an earlier error: return it, or run what may fail in a savepoint: the cause",
	},
	"options": {&smrt.OptionsError{Option: "Key", Reason: "is too long"}, []error{smrt.ErrBadOptions}, "bad options: Key is too long"},
	"pipeline": { // step 0 was not run because of step 2, which is the one to name
		&smrt.PipelineError{Errors: []error{smrt.ErrNotRun, nil, errCause, smrt.ErrNotRun}},
		[]error{smrt.ErrNotRun, errCause},
		"3 of 4 steps of the pipeline failed, because of step 2: the cause",
	},
	"pipeline without errors": {&smrt.PipelineError{Errors: []error{nil}}, nil, "pipeline: no step failed"},
	"freshness": {
		&smrt.FreshnessError{
			Need: smrt.Position{System: 1, Timeline: 2, LSN: 0x1600000028}, Within: time.Second, Waited: 99600 * time.Microsecond, Reason: "there is no primary", Err: errCause,
		},
		[]error{smrt.ErrNoFreshReplica, errCause},
		"no replica is fresh enough: none has replayed 2:16/28: none is less than 1s behind, after 100ms; there is no primary: the cause",
	},
	"freshness of nothing": {&smrt.FreshnessError{}, []error{smrt.ErrNoFreshReplica}, "no replica is fresh enough"},
	"rate": {
		&smrt.RateError{Rate: "api", Cost: 5, Available: 2, Burst: 10, Points: 1, Per: time.Second, RetryAfter: 3 * time.Second},
		[]error{smrt.ErrRateLimit, smrt.ErrLimit},
		smrt.ErrRateLimit.Error() + ": rate api has 2 points left and gives back 1 in 1s, this costs 5: try again in 3s, ask for less",
	},
	"rate, never": {
		&smrt.RateError{Rate: "api", Cost: 50, Burst: 10},
		[]error{smrt.ErrRateLimit},
		smrt.ErrRateLimit.Error() + ": rate api holds 10 points at most, this costs 50: ask for less",
	},
	"token, malformed": {
		&smrt.TokenError{Reason: "malformed"},
		[]error{smrt.ErrBadToken},
		"bad consistency token: malformed: it is not a token: go on without it",
	},
	"token, tampered": {
		&smrt.TokenError{Reason: "tampered"},
		[]error{smrt.ErrBadToken},
		"bad consistency token: tampered: it was not signed with this key, or was changed on its way: go on without it",
	},
	"token, future": {
		&smrt.TokenError{Reason: "future"},
		[]error{smrt.ErrBadToken},
		"bad consistency token: future: it is ahead of everything the primary has written: go on without it",
	},
	"token, foreign": {
		&smrt.TokenError{Reason: "foreign"},
		[]error{smrt.ErrBadToken},
		"bad consistency token: foreign: it is of another database cluster: go on without it",
	},
	"token, timeline": {
		&smrt.TokenError{Reason: "timeline"},
		[]error{smrt.ErrBadToken},
		"bad consistency token: timeline: it is of a timeline that has not begun: go on without it",
	},
	"pool": {
		&smrt.PoolExhaustedError{Waited: 1999600 * time.Microsecond, InUse: 4, Max: 4},
		[]error{smrt.ErrPoolExhausted},
		"no connection became free in time: 4 of 4 connections in use, waited 2s: hold connections for less time, or raise MaxConns",
	},
	"pool, overload": {
		&smrt.PoolExhaustedError{Reason: "overload", Waited: 10 * time.Millisecond, InUse: 4, Max: 4},
		[]error{smrt.ErrPoolExhausted},
		"no connection became free in time: the pool is overloaded: 4 of 4 connections in use, waited 10ms: do not try again at once, and send less, or raise MaxConns if the server has room",
	},
	"pool, class": {
		&smrt.PoolExhaustedError{Reason: "class", Class: "report", Waited: time.Second, InUse: 2, Max: 2},
		[]error{smrt.ErrPoolExhausted},
		"no connection became free in time: class \"report\": 2 of 2 connections in use, waited 1s: run fewer of them at a time, or raise its number in Classes",
	},
	"connect": {
		&smrt.ConnectTimeoutError{Waited: time.Second, Opening: 2, Err: errCause},
		[]error{smrt.ErrConnectTimeout, errCause},
		"no connection could be opened in time: waited 1s, 2 being opened: the cause",
	},
	"connect, slow": {
		&smrt.ConnectTimeoutError{Waited: time.Second, Opening: 1},
		[]error{smrt.ErrConnectTimeout},
		"no connection could be opened in time: waited 1s, 1 being opened: the server or the network is slow, or AcquireTimeout too short",
	},
	"pooler": {
		&smrt.PoolerError{Mode: "transaction", Feature: "LISTEN", Hint: "use another URL", Err: pgError},
		[]error{smrt.ErrPoolerMode, pgError},
		"not possible through this connection pooler: LISTEN needs a session of its own, and the pooler works by the transaction: use another URL",
	},
	"pooler without a hint": {
		&smrt.PoolerError{Mode: "statement", Feature: "a transaction"},
		[]error{smrt.ErrPoolerMode},
		"not possible through this connection pooler: a transaction needs a session of its own, and the pooler works by the statement",
	},
}

// TestErrorTypes proves of each type of error what errors.Is and errors.As find,
// also when it is wrapped, and what it says, which is never a value.
func TestErrorTypes(t *testing.T) {
	for name, c := range errorTypes {
		t.Run(name, func(t *testing.T) {
			wrapped := fmt.Errorf("outside: %w", errors.Join(errors.New("another"), c.err))
			for _, target := range c.is {
				if !errors.Is(wrapped, target) {
					t.Errorf("does not answer to %v", target)
				}
			}
			for sentinel := range sentinels {
				if errors.Is(wrapped, sentinel) && !isOneOf(sentinel, c.is) {
					t.Errorf("answers to %v, too", sentinel)
				}
			}
			found := reflect.New(reflect.TypeOf(c.err))
			if !errors.As(wrapped, found.Interface()) || !reflect.DeepEqual(found.Elem().Interface(), c.err) {
				t.Error("errors.As does not find it")
			}
			if got := c.err.Error(); got != c.text {
				t.Errorf("says %q, want %q", got, c.text)
			}
			if strings.Contains(c.err.Error(), "secret") {
				t.Errorf("repeats a value: %q", c.err)
			}
		})
	}
}

// isOneOf reports whether one of list is the sentinel or satisfies it.
func isOneOf(sentinel error, list []error) bool {
	for _, err := range list {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
}

// TestCausesAreOptional proves that no error has a nil among what it unwraps to:
// whoever walks the tree by hand would meet it.
func TestCausesAreOptional(t *testing.T) {
	for name, c := range errorTypes {
		many, ok := c.err.(interface{ Unwrap() []error })
		if !ok {
			continue
		}
		for i, err := range many.Unwrap() {
			if err == nil {
				t.Errorf("%s: part %d is nil", name, i)
			}
		}
	}
}

// TestKindsHaveNames proves that no kind or direction prints as a number.
func TestKindsHaveNames(t *testing.T) {
	for kind, want := range map[fmt.Stringer]string{
		smrt.UniqueViolation: "unique", smrt.ExclusionViolation: "exclusion", smrt.ForeignKeyViolation: "foreign key",
		smrt.NotNullViolation: "not null", smrt.CheckViolation: "check", smrt.ConstraintKind(99): "unknown",
		smrt.MissingParent: "the referenced row does not exist", smrt.StillReferenced: "the row is still referenced",
		smrt.Direction(99): "unknown direction",
	} {
		if got := kind.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestTextsOfViolations proves what a violation says, for a form or an API.
func TestTextsOfViolations(t *testing.T) {
	for _, c := range []struct{ rule, limit, text string }{
		{"required", "", "must be given"},
		{"not_blank", "", "must not be blank"},
		{"at_least", "0", "must be at least 0"},
		{"at_most", "9.5", "must be at most 9.5"},
		{"min_length", "1", "must have at least 1 character"},
		{"max_length", "80", "must have at most 80 characters"},
		{"matches", "^[A-Z]+$", "must match ^[A-Z]+$"},
		{"one_of", "draft, active", "must be one of draft, active"},
		{"starts_before_it_ends", "", "must satisfy starts_before_it_ends"},
	} {
		check.Same(t, c.rule, smrt.Violation{Rule: c.rule, Limit: c.limit}.String(), c.text)
	}
}
