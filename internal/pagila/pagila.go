// Package pagila gives tests the sample database Pagila, unedited: a schema that was not made with smrt in mind.
package pagila

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/testdb"
)

// dump is the file with schema and data.
const dump = "pagila-3.1.0.sql.gz"

// Find returns the path of the dump: in the directory SMRT_PAGILA_DIR, or in shared/data beside the module. The second
// result is false where it is not there.
func Find() (string, bool) {
	dir := os.Getenv("SMRT_PAGILA_DIR")
	if dir == "" {
		dir = filepath.Join(moduleRoot(), "..", "shared", "data")
	}
	path := filepath.Join(dir, dump)
	_, err := os.Stat(path)
	return path, err == nil
}

// moduleRoot is the directory of the module that this file was compiled from.
func moduleRoot() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Schema is the database in the dump at path, loaded once for each server.
func Schema(path string) testdb.Schema {
	return testdb.Schema{Name: "pagila", Apply: func(ctx context.Context, dsn string) error {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		return errors.Join(load(ctx, conn, path), conn.Close(ctx))
	}}
}

// loader runs a dump as psql would.
type loader struct {
	conn  *pgconn.PgConn
	owner bool // the role that the dump gives everything to exists
	sql   bytes.Buffer
}

func load(ctx context.Context, conn *pgx.Conn, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	l := loader{conn: conn.PgConn()}
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'postgres')").Scan(&l.owner)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := l.line(ctx, lines.Text(), lines); err != nil {
			return err
		}
	}
	return errors.Join(lines.Err(), l.flush(ctx))
}

// line collects SQL up to the next COPY, whose data follow it.
func (l *loader) line(ctx context.Context, line string, rest *bufio.Scanner) error {
	if strings.HasSuffix(line, "OWNER TO postgres;") && !l.owner {
		return nil
	}
	if !strings.HasPrefix(line, "COPY ") || !strings.HasSuffix(line, " FROM stdin;") {
		l.sql.WriteString(line + "\n")
		return nil
	}
	if err := l.flush(ctx); err != nil {
		return err
	}
	var data bytes.Buffer
	for rest.Scan() && rest.Text() != `\.` {
		data.WriteString(rest.Text() + "\n")
	}
	_, err := l.conn.CopyFrom(ctx, &data, line)
	return err
}

func (l *loader) flush(ctx context.Context) error {
	_, err := l.conn.Exec(ctx, l.sql.String()).ReadAll()
	l.sql.Reset()
	return err
}
