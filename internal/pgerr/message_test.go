package pgerr_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// messagesIn returns where a file selects a field called Message: the text of an
// error of the server, which is translated and may quote values.
func messagesIn(t *testing.T, name string, source any) (found []string) {
	t.Helper()
	files := token.NewFileSet()
	file := check.Value(parser.ParseFile(files, name, source, parser.SkipObjectResolution))(t)
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Message" {
			found = append(found, files.Position(sel.Pos()).String())
		}
		return true
	})
	return found
}

// TestMessagesAreNotRead finds no code outside of this package that reads the
// text of an error of the server, be it to decide by it or to pass it on.
func TestMessagesAreNotRead(t *testing.T) {
	check.Equal(t, "control", len(messagesIn(t, "control.go", `package x
		func f(pg *E) (bool, error) {
			return strings.Contains(pg.Message, "timeout"), errors.New(pg.Message)
		}`)), 2)
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		rel := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			switch rel {
			case ".git", "tools", "internal/pgerr",
				"contrib/redis": // talks to no server of PostgreSQL, and messages are published there
				return filepath.SkipDir
			}
			return nil
		case !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go"):
			return nil
		}
		for _, found := range messagesIn(t, path, nil) {
			t.Errorf("%s: reads the text of an error of the server; ask internal/pgerr", found)
		}
		return nil
	})
	check.NoError(t, err)
}
