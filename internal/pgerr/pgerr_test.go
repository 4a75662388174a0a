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
		"22007": nil,
		"22012": nil,
		"22P02": nil,
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
