package crud_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestRerunMeetsADeadlock: a read whose table was altered is run once more. What the second
// run met is returned if it is news, as a deadlock is: its caller can try again.
func TestRerunMeetsADeadlock(t *testing.T) {
	t.Parallel()
	stones := query.NewTable("stones", func(s *stone) *int64 { return &s.ID })
	for code, news := range map[string]bool{"40P01": true, "40001": true, "53300": true, "22012": true, "55000": false} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty, testdb.MaxConns(1), testdb.ExecMode(pgx.QueryExecModeCacheStatement))
			check.Value(pool.Exec(ctx, `CREATE TABLE stones (id bigint PRIMARY KEY, size bigint, double bigint, serial bigint);
				INSERT INTO stones VALUES (1, 2, 4, 1)`))(t)
			r := repo.New(pool, stones)
			check.Value(r.Get(ctx, 1))(t)
			check.Value(pool.Exec(ctx, `ALTER TABLE stones RENAME TO rocks;
				CREATE FUNCTION gives_way() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''second'' USING ERRCODE = ''`+code+`''; END';
				CREATE VIEW stones AS SELECT id, size::int AS size, double, serial FROM rocks WHERE gives_way()`))(t)
			_, err := r.Get(ctx, 1)
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || (pg.Code == code) != news || !news && pg.Code != "0A000" {
				t.Errorf("got %v", err)
			}
		})
	}
}
