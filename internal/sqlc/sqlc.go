// Package sqlc reads the queries that sqlc has compiled into Go files.
//
// sqlc writes the text that it sends, in which names of parameters have become $1 and *
// the columns of the table. So this text is what a server can be asked about, and not the
// one that its user wrote.
package sqlc

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/pgerr"
)

// Query is a query of a program.
type Query struct {
	Name string
	SQL  string
	Site string // "file.go:line"
	Doc  string // the comments that sqlc took out of the text, a line each
}

// Read returns the queries in the Go files of a folder, in the order of files and lines:
// the string constants that begin with "-- name:". Folders inside are not read.
func Read(folder fs.FS) ([]Query, error) {
	files, err := fs.Glob(folder, "*.go")
	if err != nil {
		return nil, err
	}
	var queries []Query
	for _, file := range files {
		source, err := fs.ReadFile(folder, file)
		if err != nil {
			return nil, err
		}
		positions := token.NewFileSet()
		parsed, err := parser.ParseFile(positions, file, source, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return nil, err
		}
		docs := docsIn(parsed)
		ast.Inspect(parsed, func(n ast.Node) bool {
			if _, ok := n.(*ast.BinaryExpr); ok {
				return false // a text in pieces, as sqlc writes none
			}
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			sql, _ := strconv.Unquote(literal.Value) // the parser has checked it
			if text, ok := strings.CutPrefix(sql, "-- name:"); ok {
				name, _, _ := strings.Cut(strings.TrimSpace(text), " ")
				at := positions.Position(literal.Pos())
				site := path.Base(at.Filename) + ":" + strconv.Itoa(at.Line)
				queries = append(queries, Query{Name: name, SQL: sql, Site: site, Doc: docs[name]})
			}
			return true
		})
	}
	return queries, nil
}

// docsIn returns the comments of methods, by their names. sqlc writes there what a line
// of its own said above a query, or in it.
func docsIn(file *ast.File) map[string]string {
	docs := map[string]string{}
	for _, decl := range file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Doc != nil {
			for _, line := range fn.Doc.List {
				docs[fn.Name.Name] += line.Text + "\n"
			}
		}
	}
	return docs
}

// Refused says that a server refuses a statement, why, and where in its text.
func Refused(sql string, why *pgconn.PgError) string {
	return "is refused by the server: " + pgerr.OfText(why) + at(sql, why.Position)
}

// at says where in a statement something is.
func at(sql string, position int32) string {
	runes := []rune(sql)
	if position < 1 || int(position) > len(runes) {
		return ""
	}
	before := string(runes[:position-1])
	return fmt.Sprintf(", at line %d of the query", 1+strings.Count(before, "\n"))
}
