package migrate

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/cmd/smrt/internal/script"
)

// IsNoRole reports whether a statement failed because it names a role that the server
// does not have. The server's routine tells this from what else is not there.
func IsNoRole(err error) bool {
	pg := (*pgconn.PgError)(nil)
	return errors.As(err, &pg) && pg.Code == "42704" && slices.Contains([]string{"get_role_oid", "get_rolespec_oid", "get_rolespec_tuple"}, pg.Routine)
}

// NoRoleHint is what to do where IsNoRole holds on a server that is not the one to migrate.
const NoRoleHint = "the server on which this is checked has no such role: name one that has it, with --scratch URL"

// hiddenError is of a table of versions or of the lease that is not found, although it
// was before the statements of the file.
type hiddenError struct{ error }

func (e hiddenError) Unwrap() error { return e.error }

// hidden returns a hiddenError if err says that there is no such table.
func hidden(err error) error {
	if IsNoTable(err) {
		return hiddenError{err}
	}
	return err
}

// IsNoTable reports whether a statement failed because it names a table that is not found.
func IsNoTable(err error) bool {
	pg := (*pgconn.PgError)(nil)
	return errors.As(err, &pg) && pg.Code == "42P01"
}

// HiddenHint is what to do about a file behind which goose's tables are not found.
const HiddenHint = "the file leaves another search_path behind, so that the tables of versions and of the lease are not found: end it with RESET search_path"

// SetsPath returns the last line of the part of a file that migrates up which names
// search_path, 0 for none.
func SetsPath(text string) int {
	s := script.New(text)
	up, first := s.Up()
	at := strings.LastIndex(strings.ToLower(up), "search_path")
	if at < 0 {
		return 0
	}
	return s.Line(first + at)
}

// ParseError is of a file that goose cannot read as a migration.
type ParseError struct{ error }

func (e *ParseError) Unwrap() error { return e.error }

// unparsed returns a ParseError if goose says that it could not read a file, in words,
// because it has no type for that.
func unparsed(err error) error {
	if err == nil || !strings.HasPrefix(err.Error(), "failed to prepare migration") {
		return err
	}
	if reason := errors.Unwrap(err); reason != nil {
		err = reason
	}
	return &ParseError{err}
}

// unreadable says what to do about a file that goose cannot read.
func (f *File) unreadable() string {
	switch {
	case strings.HasPrefix(f.script.Text, "\ufeff"):
		return "the file begins with a byte order mark: save it as UTF-8 without one"
	case !f.script.HasUp:
		return "statements that migrate stand below a line -- +goose Up"
	}
	return ""
}
