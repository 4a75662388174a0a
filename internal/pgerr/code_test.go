package pgerr_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// TestCodes asks each name for a SQLSTATE that it stands for, and for another.
func TestCodes(t *testing.T) {
	for name, c := range map[string]struct {
		is  func(error) bool
		yes string
		no  string
	}{
		"IsDataException":    {pgerr.IsDataException, "22012", "23505"},
		"IsAboutRow":         {pgerr.IsAboutRow, "23505", "42P01"},
		"IsOutOfRange":       {pgerr.IsOutOfRange, "22008", "22012"},
		"IsInvalidParameter": {pgerr.IsInvalidParameter, "22023", "22003"},
		"IsUndefinedTable":   {pgerr.IsUndefinedTable, "42P01", "42703"},
		"IsOutdated":         {pgerr.IsOutdated, "42883", "23505"},
		"IsUnreadableCopy":   {pgerr.IsUnreadableCopy, "XX000", "22003"},
		"IsKeyDrift":         {pgerr.IsKeyDrift, "23503", "23505"},
		"IsMissing":          {pgerr.IsMissing, "0A000", "22023"},
		"IsTxAborted":        {pgerr.IsTxAborted, "25P02", "25P03"},
		"IsCanceled":         {pgerr.IsCanceled, "57014", "57P01"},
		"IsAccessDenied":     {pgerr.IsAccessDenied, "28P01", "53300"},
		"IsRepeated":         {pgerr.IsRepeated, "40P01", "23505"},
	} {
		for code, want := range map[string]bool{c.yes: true, c.no: false, "": false, "4": false} {
			err := fmt.Errorf("outside: %w", &pgconn.PgError{Code: code})
			check.Same(t, name+" of "+code, c.is(err), want)
		}
		check.Same(t, name+" of another error", c.is(errors.New("x")), false)
	}
	check.Same(t, "lock", pgerr.Timeout(&pgconn.PgError{Code: "55P03"}), smrt.ErrLockTimeout)
	check.Same(t, "idle", pgerr.Timeout(&pgconn.PgError{Code: "25P03"}), smrt.ErrTxTimedOut)
	check.Same(t, "none", pgerr.Timeout(&pgconn.PgError{Code: "57014"}), nil)
}

var sqlstate = regexp.MustCompile(`^[0-9A-Z]{2}([0-9A-Z]{3})?$`)

// codesIn returns where a file compares or maps a text that looks like a SQLSTATE
// or its class.
func codesIn(t *testing.T, name string, source any) (found []string) {
	t.Helper()
	files := token.NewFileSet()
	file := check.Value(parser.ParseFile(files, name, source, parser.SkipObjectResolution))(t)
	look := func(nodes ...ast.Expr) {
		for _, n := range nodes {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				continue
			}
			text, _ := strconv.Unquote(lit.Value)
			if sqlstate.MatchString(text) && (len(text) == 5 && strings.ContainsAny(text, "0123456789") || strings.Trim(text, "0123456789") == "") {
				found = append(found, files.Position(lit.Pos()).String()+": "+text)
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			look(n.X, n.Y)
		case *ast.CaseClause:
			look(n.List...)
		case *ast.KeyValueExpr:
			look(n.Key)
		case *ast.CallExpr:
			look(n.Args...)
		case *ast.ValueSpec:
			look(n.Values...)
		}
		return true
	})
	return found
}

// TestCodesStandHere finds no SQLSTATE in the code of other packages.
func TestCodesStandHere(t *testing.T) {
	check.Equal(t, "control", len(codesIn(t, "control.go", `package x
		const a = "22023"
		func f(pg E) bool {
			switch pg.Code { case "40001": return true }
			return pg.Code == "57014" || strings.HasPrefix(pg.Code, "28")
		}`)), 4)
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		rel := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			switch rel {
			case ".git", "cmd", "tools", "queries", "internal/pgerr", "internal/testdb", "internal/shop", "internal/pagila", "smrttest":
				return filepath.SkipDir
			}
			return nil
		case !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go"):
			return nil
		}
		for _, found := range codesIn(t, path, nil) {
			t.Errorf("%s: give it a name in internal/pgerr", found)
		}
		return nil
	})
	check.NoError(t, err)
}
