package schema

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/txn"
)

// VerifyQueries asks the server to parse and describe each query in the Go files of a
// folder, and returns a finding for each that it refuses: it names a column that is
// gone, or compares types that do not fit any more. A query is a string constant
// that begins with "-- name:", as sqlc writes them:
//
//	schema.VerifyQueries(ctx, pool, os.DirFS("internal/shopdb"))
//
// Nothing is run. Folders inside are not read, and neither are texts that are put together
// from pieces. Whether sqlc's Go types still fit is not compared. The error says that the folder or the
// database could not be read, or that there is no query.
func VerifyQueries(ctx context.Context, db txn.Beginner, folder fs.FS) (Findings, error) {
	if folder == nil {
		return nil, &smrt.QueryError{Reason: "schema: the folder is nil: give one, as os.DirFS does"}
	}
	queries, err := queriesIn(folder)
	if err != nil {
		return nil, err
	}
	if db == nil {
		return nil, errNoHandle
	}
	var found Findings
	for _, q := range queries {
		refused, err := describe(ctx, db, q.sql)
		if err != nil {
			return nil, fmt.Errorf("smrt: schema: %s: %w", q.name, err)
		}
		if refused != nil {
			found = append(found, Finding{
				Check: CheckQuery, Level: Fault, Site: q.site, Table: q.name,
				Problem: "is refused by the server: " + pgerr.OfText(refused) + at(q.sql, refused.Position),
				Go:      "change the query and run sqlc generate",
			})
		}
	}
	return found, nil
}

// constant is a query of a program.
type constant struct{ name, sql, site string }

// queriesIn returns the queries of a folder, in the order of files and lines.
func queriesIn(folder fs.FS) ([]constant, error) {
	files, err := fs.Glob(folder, "*.go")
	if err != nil {
		return nil, err
	}
	var queries []constant
	for _, file := range files {
		source, err := fs.ReadFile(folder, file)
		if err != nil {
			return nil, fmt.Errorf("smrt: schema: %w", err)
		}
		positions := token.NewFileSet()
		parsed, err := parser.ParseFile(positions, file, source, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("smrt: schema: %w", err)
		}
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
				queries = append(queries, constant{name, sql, path.Base(at.Filename) + ":" + strconv.Itoa(at.Line)})
			}
			return true
		})
	}
	if len(queries) == 0 {
		return nil, &smrt.QueryError{Reason: `schema: the folder has no query: none of its Go files has a string that begins with "-- name:"`}
	}
	return queries, nil
}

// describe returns why the server refuses a statement, nil if it does not. Each has a
// transaction of its own, because one that is refused ends it.
func describe(ctx context.Context, db txn.Beginner, sql string) (refused *pgconn.PgError, err error) {
	tx, err := db.Begin(ctx)
	if err != nil {
		return nil, err
	}
	_, err = tx.Prepare(ctx, "", sql)
	rollback := tx.Rollback(context.WithoutCancel(ctx))
	switch {
	case errors.As(err, &refused):
		return refused, nil
	case err != nil:
		return nil, err
	case errors.Is(rollback, pgx.ErrTxClosed):
		return nil, nil
	}
	return nil, rollback
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
