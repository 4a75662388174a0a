package rowsecurity_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// TestStalePlansOnABoundHandle alters a table under statements that are prepared. The caller
// sees the new columns, and each statement has had its effect once.
func TestStalePlansOnABoundHandle(t *testing.T) {
	l := newLibrary(t, testdb.ExecMode(pgx.QueryExecModeCacheStatement))
	db := l.bound(t)
	ctx := smrt.WithTenant(t.Context(), int64(1))
	const create, read = "INSERT INTO books (tenant_id, title) VALUES (1, $1) RETURNING *", "SELECT * FROM books WHERE id = $1"
	calls := map[string]func(title string) error{
		"Exec": func(title string) error {
			_, err := db.Exec(ctx, create, title)
			return err
		},
		"Query": func(title string) error {
			rows, err := db.Query(ctx, create, title)
			check.NoError(t, err)
			_, err = pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
			return err
		},
		"QueryRow": func(string) error { return db.QueryRow(ctx, read, 2).Scan(make([]any, l.columns(t, "books"))...) },
	}
	for name, call := range calls {
		check.NoError(t, call(name+" before"))
		l.do(t, "ALTER TABLE books ADD COLUMN "+strings.ToLower(name)+" int")
		check.NoError(t, call(name+" after"))
	}
	for _, title := range []string{"Exec before", "Exec after", "Query before", "Query after"} {
		check.Same(t, title, l.count(t, "SELECT count(*) FROM books WHERE title = '"+title+"'"), 1)
	}

	// A sequence keeps what it gave, so that a call of its function must be one.
	l.do(t, `CREATE SEQUENCE calls; GRANT ALL ON SEQUENCE calls TO "`+l.role+`";
		CREATE FUNCTION first_book() RETURNS books LANGUAGE plpgsql AS $$
		DECLARE b books; BEGIN
			PERFORM nextval('calls');
			EXECUTE 'PREPARE of_function AS SELECT * FROM books WHERE id = 2';
			ALTER TABLE books ADD COLUMN of_function int;
			EXECUTE 'EXECUTE of_function';
			RETURN b;
		END $$; ALTER TABLE books OWNER TO "`+l.role+`"`)
	t.Cleanup(func() { l.do(t, "DROP FUNCTION first_book; ALTER TABLE books OWNER TO CURRENT_USER") })
	_, err := db.Exec(ctx, "SELECT first_book()")
	if err == nil || !strings.Contains(err.Error(), "cached plan") {
		t.Errorf("%v, want a stale plan of a function", err)
	}
	check.Same(t, "calls of the function", l.count(t, "SELECT last_value FROM calls"), 1)
}

// count returns the number that a query of the admin returns.
func (l *library) count(t *testing.T, sql string) (n int) {
	t.Helper()
	check.NoError(t, l.admin.QueryRow(context.WithoutCancel(t.Context()), sql).Scan(&n))
	return n
}

func (l *library) columns(t *testing.T, table string) int {
	t.Helper()
	return l.count(t, fmt.Sprintf("SELECT count(*) FROM pg_attribute WHERE attrelid = '%s'::regclass AND attnum > 0 AND NOT attisdropped", table))
}
