// Package pgerr translates what pgx and PostgreSQL report into smrt's errors.
// It decides by SQLSTATE, and reads the text of one error of pgx that has no type.
package pgerr

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/smrt-go/smrt"
)

// Op is what was being done when an error occurred.
type Op string

// Wrap says which operation on which table failed, and gives the error its
// type. It returns nil for nil. The text of the result contains no argument.
func Wrap(op Op, table string, err error) error {
	if err == nil {
		return nil
	}
	var done *failure
	if errors.As(err, &done) {
		return err // translated already
	}
	return &failure{op: op, table: table, err: translate(op, table, err)}
}

// Translate gives an error of pgx or PostgreSQL its type, without a place. It
// returns nil for nil, and an error that has its type as it is. The result matches
// what err matches, which may be an error of the program around one of pgx.
func Translate(err error) error {
	var done *failure
	if err == nil || errors.As(err, &done) {
		return err
	}
	to := translate("", "", err)
	switch {
	case errors.Is(to, err):
		return to
	case slices.Contains([]error{smrt.ErrNotFound, smrt.ErrTooManyRows, smrt.ErrPoolClosed}, to):
		return &also{err.Error(), err, to} // there is no value in the text
	}
	return &also{to.Error(), err, to}
}

// quotesArgument is in the text of pgx's refusal to encode an argument. It tells
// such an error from one that a program made with fmt.Errorf too.
const quotesArgument = "failed to encode args["

// also is an error that matches another one too.
type also struct {
	text    string
	err, to error
}

func (a *also) Error() string   { return a.text }
func (a *also) Unwrap() []error { return []error{a.err, a.to} }

// failure is an error with its place.
type failure struct {
	op    Op
	table string
	err   error
}

func (f *failure) Error() string { return fmt.Sprintf("%s %s: %v", f.op, f.table, f.err) }
func (f *failure) Unwrap() error { return f.err }

func translate(op Op, table string, err error) error {
	var pg *pgconn.PgError
	var explained *smrt.ValueError
	var scan pgx.ScanArgError
	var outdated *OutdatedError
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &outdated):
		return &OutdatedError{Err: translate(op, table, outdated.Err)}
	case errors.Is(err, smrt.ErrPoolExhausted), errors.Is(err, smrt.ErrConnectTimeout), errors.As(err, &connect): // and why no connection was opened
		return err
	case errors.As(err, &explained), errors.Is(err, smrt.ErrQueryCanceled), errors.Is(err, smrt.ErrTxConcurrentUse), errors.Is(err, smrt.ErrLeftOut):
		return err
	case errors.As(err, &pg):
		return server(op, table, err, pg)
	case errors.Is(err, pgx.ErrNoRows) && !errors.Is(err, smrt.ErrNotFound):
		return smrt.ErrNotFound
	case errors.Is(err, pgx.ErrTooManyRows) && !errors.Is(err, smrt.ErrTooManyRows):
		return smrt.ErrTooManyRows
	case errors.As(err, &scan): // its text quotes the value
		return &smrt.ValueError{Column: scan.FieldName, Row: -1, Offset: -1, Reason: "it does not fit the Go value that it is read into", Err: smrt.ErrWrongType, Cause: err}
	case errors.Is(err, puddle.ErrClosedPool):
		return smrt.ErrPoolClosed
	case IsEncode(err) && (op != "" || strings.Contains(err.Error(), quotesArgument)):
		return &hidden{text: "an argument does not fit the type of its column", err: err}
	}
	return err
}

// wrapError is the type of the errors that pgx makes with fmt.Errorf. Those
// about arguments quote them.
var wrapError = reflect.TypeOf(fmt.Errorf("%w", context.Canceled))

// ErrTxEnded is for a function that ends the transaction that it was given.
var ErrTxEnded error = &smrt.OptionsError{
	Option: "fn", Reason: "ended the transaction with SQL of its own; what was done before that may have been committed",
}

// IsEncode reports whether err is pgx's refusal to encode an argument. pgx has
// no type for it: it is the one error that is made by fmt.Errorf around
// another and is neither of the server, nor the network, nor the context.
func IsEncode(err error) bool {
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	var batch pgx.ErrPreprocessingBatch
	if errors.As(err, &batch) {
		err = errors.Unwrap(batch)
	}
	switch {
	case reflect.TypeOf(err) != wrapError:
		return false
	case errors.As(err, &pg), errors.As(err, &connect), pgconn.SafeToRetry(err), pgconn.Timeout(err), IsLost(err):
		return false
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	}
	return true
}

// hidden is an error whose own text may contain a value.
type hidden struct {
	text string
	err  error
}

func (h *hidden) Error() string { return h.text }
func (h *hidden) Unwrap() error { return h.err }

// conditions names the SQLSTATEs whose messages quote values, with the
// sentinel that fits.
var conditions = map[string]struct {
	text     string
	sentinel error
}{
	"21000": {"two rows of the call have the same key", smrt.ErrDuplicateInBatch},
	"22001": {"a text is longer than its column allows", smrt.ErrOutOfRange},
	"22003": {"a number is out of its column's range", smrt.ErrOutOfRange},
	"22008": {"a date or time is out of its column's range", smrt.ErrOutOfRange},
	"22007": {"a text is not a date or time", smrt.ErrWrongType},
	"2201B": {"a text is not a regular expression", smrt.ErrBadQuery},
	"22021": {"a text contains something that the database's encoding does not have", smrt.ErrInvalidText},
	"22P02": {"a text is not a value of its column's type", smrt.ErrWrongType},
	"2200H": {"a sequence is at its end and has no key left", nil},
	"22P05": {"a JSON document contains a character that the database's encoding does not have", smrt.ErrInvalidJSON},
	"22030": {"a JSON document names a key twice", smrt.ErrInvalidJSON},
	"22032": {"a text is not a JSON document", smrt.ErrInvalidJSON},
}

// conditionOf returns the SQLSTATE of an error, for conditions. A character that a
// text cannot be converted with has that of an escape of JSON that a text cannot
// have.
func conditionOf(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "22P05" && pg.Routine == "report_untranslatable_char" {
		return "22021"
	}
	return code(err)
}

// IsAboutValue reports whether the server refused a value that it was given, as
// opposed to one that it computed.
func IsAboutValue(err error) bool {
	return class(err) == "22" && conditions[conditionOf(err)].sentinel != nil
}

// Condition returns what to say of a value that the server refused, and the
// sentinel.
func Condition(err error) (string, error) {
	c := conditions[conditionOf(err)]
	if c.sentinel == nil {
		c.sentinel = smrt.ErrWrongType
	}
	if c.text == "" {
		c.text = "a value was refused by the database"
	}
	return c.text, c.sentinel
}

func server(op Op, table string, err error, pg *pgconn.PgError) error {
	if kind := constraintKind(pg); kind != 0 {
		return constraint(op, table, kind, err, pg)
	}
	if pg.Code == "21000" && strings.HasSuffix(pg.Routine, "Plan") { // of the executor's functions for subqueries
		return fmt.Errorf("%w: a value of one related row was asked for, and there are several: %w", smrt.ErrTooManyRows, pg)
	}
	if c, ok := conditions[conditionOf(pg)]; ok {
		if c.sentinel == nil {
			return &hidden{text: c.text + " (SQLSTATE " + pg.Code + ")", err: pg}
		}
		return &smrt.ValueError{Row: -1, Offset: -1, Reason: c.text, Err: c.sentinel, Cause: pg}
	}
	if pg.Code == "25006" {
		return fmt.Errorf("%w: %w", smrt.ErrReadOnly, pg)
	}
	if IsPooler(pg) {
		return Pooler(pg)
	}
	if refused := policy(table, pg); refused != nil {
		return refused
	}
	switch {
	case raised(pg):
		return &hidden{text: "a function or trigger of the database raised an error (SQLSTATE " + pg.Code + ")", err: pg}
	case strings.HasPrefix(pg.Code, "22"):
		return &hidden{text: "a value was refused by the database (SQLSTATE " + pg.Code + ")", err: pg}
	}
	return pg
}
