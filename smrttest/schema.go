package smrttest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/testdb"
)

// Schema is what the database of a test holds when the test begins: tables, and rows if they are always the same. It is
// applied once in a test binary and copied for each test. Make it with [SQL], [SQLFiles] or [Migrate], as a variable of
// the package. It is safe for concurrent use. The zero value is an empty database.
type Schema struct {
	engine testdb.Schema
}

// SQL is the schema that the texts make, each sent as one script, in their order. Without texts the database is empty.
func SQL(texts ...string) Schema {
	if len(texts) == 0 {
		return Schema{}
	}
	scripts := make([]script, len(texts))
	for i, text := range texts {
		scripts[i] = script{name: fmt.Sprintf("text %d", i+1), text: text}
	}
	return ofScripts("of SQL", scripts)
}

// SQLFiles is the schema that files make whose names match the pattern, as [fs.Glob] matches them, each sent as one
// script, in the order of their names:
//
//	var schema = smrttest.SQLFiles(os.DirFS("migrations"), "*.sql")
//
// If no file matches, the tests that use it fail. So they do if a file says how to go back as well, in the ways of
// goose, sql-migrate, dbmate, tern and golang-migrate (.down.sql), because all of it would be run: use [Migrate] for
// these, or the pattern "*.up.sql" for the last.
func SQLFiles(files fs.FS, pattern string) Schema {
	scripts, err := readScripts(files, pattern)
	if err != nil {
		return refused(pattern, err)
	}
	return ofScripts(pattern, scripts)
}

// Migrate is the schema that fn makes in the empty database with the connection string dsn, which pgx, database/sql and
// tools of migration understand. The name is for messages. The function is called once for all tests of a test binary, and
// must close its connections.
//
// Two schemas of one name and one function are taken to be the same: a function that does different things is declared
// under different names.
func Migrate(name string, fn func(ctx context.Context, dsn string) error) Schema {
	if fn == nil {
		return refused(name, errors.New("Migrate was called without a function"))
	}
	return made(testdb.Schema{Name: testdb.Digest(name, fmt.Sprint(reflect.ValueOf(fn).Pointer())), Title: name, Apply: fn})
}

// From says which files the function of [Migrate] reads: those that match the pattern, as [fs.Glob] matches them. Test
// binaries that share a server, that of SMRT_TEST_DSN, call the function once for all of them then, as long as name and
// files are the same:
//
//	var schema = smrttest.Migrate("shop", up).From(os.DirFS("../migrations"), "*.sql")
//
// A function that does more than these files say, such as to add rows, is declared under a name that says so. Schemas of
// [SQL] and [SQLFiles] know their texts already. If no file matches, the tests that use the schema fail.
func (s Schema) From(files fs.FS, pattern string) Schema {
	if s.engine.Apply == nil {
		return s
	}
	digest, err := testdb.DigestFiles(cmp.Or(s.engine.Digest, s.engine.Title), files, pattern)
	if err != nil {
		return refused(s.engine.Title, err)
	}
	s.engine.Name, s.engine.Digest = digest, digest
	return s
}

// spares is how many databases are kept ready: a test takes one, and another is made while it runs.
const spares = 2

// made is what all schemas with something in them have in common.
func made(engine testdb.Schema) Schema {
	engine.Spares = spares
	return Schema{engine}
}

// refused is a schema that fails each test that uses it.
func refused(title string, err error) Schema {
	return Schema{testdb.Schema{
		Name: testdb.Digest(title, err.Error()), Title: title, Apply: func(context.Context, string) error { return err },
	}}
}

// script is a text of statements with the name that errors call it by.
type script struct{ name, text string }

// ofScripts is known by its texts, so that it does not matter where and how often it is declared.
func ofScripts(title string, scripts []script) Schema {
	var texts []string
	for _, s := range scripts {
		texts = append(texts, s.name, s.text)
	}
	digest := testdb.Digest(texts...)
	return made(testdb.Schema{Name: digest, Digest: digest, Title: title, Apply: func(ctx context.Context, dsn string) error {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		for _, s := range scripts {
			// The simple protocol takes any number of statements.
			if _, err = conn.Exec(ctx, s.text, pgx.QueryExecModeSimpleProtocol); err != nil {
				err = fmt.Errorf("%s: %w", s.name, err)
				break
			}
		}
		return errors.Join(err, conn.Close(ctx))
	}})
}

// waysBack are what tools write before the statements that undo a migration, in lower case.
var waysBack = [...]string{"-- +goose down", "-- +migrate down", "-- migrate:down", "---- create above / drop below ----"}

func readScripts(files fs.FS, pattern string) ([]script, error) {
	names, err := fs.Glob(files, pattern) // in the order of the names
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no file matches %s: it is looked for in the file system that was given, and tests run in the "+
			"directory of their package", pattern)
	}
	var scripts []script
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(path.Base(name), ".down.sql") {
			return nil, fmt.Errorf("%s undoes a migration: use the pattern *.up.sql", name)
		}
		for _, mark := range waysBack {
			if strings.Contains(strings.ToLower(string(text)), mark) {
				return nil, fmt.Errorf("%s also undoes what it does, after %q: use smrttest.Migrate with the tool it is for", name, mark)
			}
		}
		scripts = append(scripts, script{name, string(text)})
	}
	return scripts, nil
}
