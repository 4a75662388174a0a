package pgerr_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// TestWrap gives each sort of error to the translation. The server's texts
// contain a secret, which must not come through.
func TestWrap(t *testing.T) {
	for code, want := range map[string]error{
		"23502": smrt.ErrNotNull,
		"23503": smrt.ErrForeignKey,
		"23505": smrt.ErrConflict,
		"23514": smrt.ErrCheck,
		"23P01": smrt.ErrConflict,
		"21000": smrt.ErrDuplicateInBatch,
		"22001": smrt.ErrOutOfRange,
		"22003": smrt.ErrOutOfRange,
		"22021": smrt.ErrInvalidText,
		"22P05": smrt.ErrInvalidJSON,
		"22007": smrt.ErrWrongType,
		"22012": nil,
		"22P02": smrt.ErrWrongType,
	} {
		t.Run(code, func(t *testing.T) {
			server := &pgconn.PgError{Code: code, Message: "refused: secret", Detail: "Key (a)=(secret)", TableName: "orders"}
			err := pgerr.Wrap("create", "orders", fmt.Errorf("outside: %w", server))
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg != server {
				t.Errorf("PostgreSQL's error is not reachable: %v", err)
			}
			if want != nil && !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
			if strings.Contains(err.Error(), "secret") || !strings.HasPrefix(err.Error(), "create orders: ") {
				t.Errorf("says %q", err)
			}
		})
	}
}

// TestWrapOfConnecting keeps that no connection was opened, whatever the server
// said meanwhile.
func TestWrapOfConnecting(t *testing.T) {
	starting := &pgconn.PgError{Code: "57P03", Message: "the database system is starting up"}
	for _, sentinel := range []error{smrt.ErrPoolExhausted, smrt.ErrConnectTimeout} {
		err := pgerr.Wrap("get", "films", fmt.Errorf("%w; meanwhile: %w", sentinel, starting))
		check.Error(t, sentinel.Error(), err, sentinel, starting)
		check.Same(t, "fault", pgerr.FaultOf(err), pgerr.Lost)
	}
}

// TestWrapOnce proves that an error is given its place once.
func TestWrapOnce(t *testing.T) {
	if pgerr.Wrap("get", "orders", nil) != nil {
		t.Error("no error became one")
	}
	once := pgerr.Wrap("get", "orders", pgx.ErrNoRows)
	if !errors.Is(once, smrt.ErrNotFound) || !errors.Is(once, pgx.ErrNoRows) || once.Error() != "get orders: not found" {
		t.Errorf("got %v", once)
	}
	if twice := pgerr.Wrap("find", "items", once); twice != once { //nolint:errorlint // the same value is wanted
		t.Errorf("wrapped twice: %v", twice)
	}
}

// TestDirection tells the sides of a foreign key apart.
func TestDirection(t *testing.T) {
	for _, c := range []struct {
		op    pgerr.Op
		table string
		of    string
		want  smrt.Direction
	}{
		{"create", "orders", "orders", smrt.MissingParent},
		{"create", "sales.orders", "orders", smrt.MissingParent},
		{"delete", "customers", "orders", smrt.StillReferenced},
		{"update", "customers", "orders", smrt.StillReferenced},
		{"delete", "categories", "categories", smrt.StillReferenced}, // refers to itself
	} {
		err := pgerr.Wrap(c.op, c.table, &pgconn.PgError{Code: "23503", TableName: c.of})
		var violated *smrt.ConstraintError
		if !errors.As(err, &violated) || violated.Direction != c.want {
			t.Errorf("%s of %s, constraint of %s: got %v, want %v", c.op, c.table, c.of, violated, c.want)
		}
	}
}

// TestDirectionInAnyLanguage counts the names in the server's texts.
func TestDirectionInAnyLanguage(t *testing.T) {
	for text, want := range map[string]smrt.Direction{
		`insert or update on table "visits" violates foreign key constraint "fk"`:                                    smrt.MissingParent,
		`update or delete on table "sites" violates foreign key constraint "fk" on table "visits"`:                   smrt.StillReferenced,
		`update or delete on table "visits" violates foreign key constraint "fk" on table "visits"`:                  smrt.StillReferenced,
		"Einfügen oder Aktualisieren in Tabelle »visits« verletzt Fremdschlüssel-Constraint »fk«":                    smrt.MissingParent,
		"Aktualisieren oder Löschen in Tabelle »sites« verletzt Fremdschlüssel-Constraint »fk« von Tabelle »visits«": smrt.StillReferenced,
		"une instruction insert ou update sur la table « visits » viole la contrainte de clé étrangère « fk »":       smrt.MissingParent,
	} {
		for _, op := range []pgerr.Op{"create", "update", "delete"} {
			err := pgerr.Wrap(op, "visits", &pgconn.PgError{Code: "23503", TableName: "visits", ConstraintName: "fk", Routine: "ri_ReportViolation", Message: text})
			var violated *smrt.ConstraintError
			if !errors.As(err, &violated) || violated.Direction != want {
				t.Errorf("%s, %q: got %v, want %v", op, text, violated, want)
			}
		}
	}
	odd := &pgconn.PgError{Code: "23503", TableName: `od"d`, ConstraintName: `f"k`, Routine: "ri_ReportViolation", Message: `insert or update on table "od"d" violates foreign key constraint "f"k"`}
	var violated *smrt.ConstraintError
	if err := pgerr.Wrap("create", "x", odd); !errors.As(err, &violated) || violated.Direction != smrt.MissingParent {
		t.Errorf("names with quotes: %v", err)
	}
	for code, want := range map[string]smrt.Direction{"23001": smrt.StillReferenced, "23503": 0} {
		raised := pgerr.Wrap("create", "visits", &pgconn.PgError{Code: code, TableName: "visits", Routine: "exec_stmt_raise"})
		if !errors.As(raised, &violated) || violated.Direction != want || !errors.Is(raised, smrt.ErrForeignKey) {
			t.Errorf("%s: %v", code, raised)
		}
	}
}

// TestTextsOfUsers hides what functions of the database raise, and tells a row
// without a partition from a check.
func TestTextsOfUsers(t *testing.T) {
	for what, pg := range map[string]*pgconn.PgError{
		"by SQLSTATE": {Code: "P0001", Message: "no secret"},
		"by function": {Code: "ZX001", Message: "no secret", Routine: "exec_stmt_raise"},
		"sequence":    {Code: "2200H", Message: "secret"},
		"violation":   {Code: "23505", Message: "secret", Routine: "exec_stmt_raise"},
	} {
		if text := pgerr.Wrap("create", "t", pg).Error(); strings.Contains(text, "secret") || strings.Contains(text, `""`) {
			t.Errorf("%s: says %q", what, text)
		}
	}
	for routine, want := range map[string]error{"ExecFindPartition": smrt.ErrNoPartition, "ExecConstraints": smrt.ErrCheck, "exec_stmt_raise": smrt.ErrCheck} {
		if err := pgerr.Wrap("create", "t", &pgconn.PgError{Code: "23514", TableName: "t", Routine: routine}); !errors.Is(err, want) {
			t.Errorf("%s: %v", routine, err)
		}
	}
}

// TestScanErrors: pgx quotes the value that a Go value does not take.
func TestScanErrors(t *testing.T) {
	err := pgerr.Wrap("max", "orders", pgx.ScanArgError{FieldName: "max", Err: errors.New("secret is no number")})
	var value *smrt.ValueError
	if !errors.Is(err, smrt.ErrWrongType) || !errors.As(err, &value) || value.Column != "max" || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// TestCanceled: both the context and the condition are matched.
func TestCanceled(t *testing.T) {
	gone := &pgconn.PgError{Code: "57014", Message: "secret"}
	err := pgerr.Wrap("find", "t", pgerr.Canceled(context.Canceled, fmt.Errorf("outside: %w", gone)))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, smrt.ErrQueryCanceled) || !errors.Is(err, error(gone)) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	if err := pgerr.Canceled(nil, gone); err != error(gone) { //nolint:errorlint // the same value is wanted
		t.Errorf("without a context that ended: %v", err)
	}
}

// TestColumns proves that columns found out come with the error, and that they
// are asked for only where the server does not name them.
func TestColumns(t *testing.T) {
	unique := &pgconn.PgError{Code: "23505", TableName: "orders", ConstraintName: "orders_key"}
	if pg, ok := pgerr.NeedsColumns(fmt.Errorf("outside: %w", unique)); !ok || pg != unique {
		t.Error("a unique constraint needs its columns")
	}
	for what, err := range map[string]error{
		"named by the server": &pgconn.PgError{Code: "23502", ColumnName: "note", ConstraintName: "x"},
		"no constraint":       &pgconn.PgError{Code: "42P01", ConstraintName: "x"},
		"no server":           io.ErrUnexpectedEOF,
	} {
		if _, ok := pgerr.NeedsColumns(err); ok {
			t.Errorf("%s: columns are asked for", what)
		}
	}
	err := pgerr.Wrap("create", "orders", &pgerr.Columns{Names: []string{"a", "b"}, Err: unique})
	var violated *smrt.ConstraintError
	if !errors.As(err, &violated) || strings.Join(violated.Columns, " ") != "a b" || !errors.Is(err, error(unique)) {
		t.Errorf("got %+v", violated)
	}
}

// TestIsEncode proves which errors are taken for pgx's refusal of an argument:
// its text quotes the argument, so that it is hidden.
func TestIsEncode(t *testing.T) {
	refusal := fmt.Errorf("cannot encode secret: %w", errors.New("cause"))
	if err := pgerr.Wrap("find", "orders", refusal); strings.Contains(err.Error(), "secret") || !errors.Is(err, refusal) {
		t.Errorf("says %q", err)
	}
	for what, err := range map[string]error{
		"server":    fmt.Errorf("outside: %w", &pgconn.PgError{Code: "42P01"}),
		"cancelled": fmt.Errorf("outside: %w", context.Canceled),
		"deadline":  fmt.Errorf("outside: %w", context.DeadlineExceeded),
		"network":   fmt.Errorf("outside: %w", io.ErrUnexpectedEOF),
		"other":     errors.New("plain"),
	} {
		if pgerr.IsEncode(err) {
			t.Errorf("%s: taken for an argument that was refused", what)
		}
	}
}
