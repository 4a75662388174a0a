package migrate_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

const count = "1_count -- smrt:backfill table=notes key=id\n-- +goose Up\nUPDATE notes SET n = n + 1 WHERE id <> 7 /* smrt:batch */;"

// newNotes makes a database with rows to change, and a file that counts how often each is.
func newNotes(t *testing.T, files ...string) *fixture {
	t.Helper()
	f := newFixture(t, files...)
	f.exec("CREATE TABLE notes (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO notes SELECT i * 7 FROM generate_series(-200, 1000) AS i")
	return f
}

// changes are the least and the greatest number of changes of a row that is to be changed.
const changes = "SELECT min(n) || ' ' || max(n) FROM notes WHERE id <> 7"

// TestBackfillKilled kills the server process in the middle of batches. Each row is
// changed once by the runs together.
func TestBackfillKilled(t *testing.T) {
	for _, at := range []string{"UPDATE notes", "INSERT INTO smrt_backfill", "commit"} {
		f := newNotes(t, count)
		r := f.runner()
		n, begun, killed := 0, false, false
		r.BeforeStatement(func(pid uint32, sqlText string) {
			begun = begun || strings.HasPrefix(sqlText, "UPDATE notes") // before, tables are made
			if !begun || !strings.HasPrefix(sqlText, at) {
				return
			}
			if n++; n == 3 {
				killed = true
				f.exec("SELECT pg_terminate_backend($1)", int32(pid))
				f.until("0", "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", int32(pid))
			}
		})
		_, err := up(t.Context(), r)
		if !killed || err == nil || !strings.Contains(err.Error(), "1_count.sql:3: ") || !strings.Contains(err.Error(), "goes on behind it") {
			t.Fatalf("killed at %q: %v, the error is %v", at, killed, err)
		}
		check.Same(t, "some rows were changed and others not", f.text(changes), "0 1")
		check.Same(t, "rows before the checkpoint", f.text("SELECT count(*) FROM notes, smrt_backfill WHERE id <= last::bigint"), f.text("SELECT seen FROM smrt_backfill"))
		check.Same(t, "rows changed", f.text("SELECT count(*) FROM notes WHERE n = 1"), f.text("SELECT changed FROM smrt_backfill"))
		check.Value(up(t.Context(), f.runner()))(t)
		check.Same(t, "changes of each row", f.text(changes), "1 1")
		check.Same(t, "changes of the row that is left out", f.text("SELECT n FROM notes WHERE id = 7"), "0")
		check.Same(t, "versions", f.versions(), "1")
		check.Same(t, "checkpoints", f.text("SELECT count(*) FROM smrt_backfill"), "0")
		if !f.seen(migrate.Resumes, "goes on behind id ") || !f.seen(migrate.Works, "1201 rows seen, 1200 changed") {
			t.Errorf("the events are %v", f.events)
		}
	}
}

// TestBackfillKeys changes rows by keys of other types, and by the name that the
// statement has for the table.
func TestBackfillKeys(t *testing.T) {
	for kind, value := range map[string]string{
		"uuid": "gen_random_uuid()", "text": "md5(i::text) || chr(i + 1000)", "timestamptz": "now() + i * interval '1.000001 s'", "numeric(9,2)": "i / 100.0 - 3",
	} {
		f := newFixture(t, `1_count -- smrt:backfill table=public."the notes" key=x."The Key"
-- +goose Up
-- +goose StatementBegin
UPDATE public."the notes" AS x SET n = x.n + 1 FROM (VALUES (1)) AS y WHERE (true OR y.column1 = 2)
/* smrt:batch */;
-- +goose StatementEnd
-- +goose Down
SELECT 1;`)
		f.exec(`CREATE TABLE "the notes" (id int, n int NOT NULL DEFAULT 0, "The Key" ` + kind + ` PRIMARY KEY); CREATE VIEW notes AS SELECT * FROM "the notes"`)
		f.exec("INSERT INTO notes SELECT i, 0, " + value + " FROM generate_series(1, 777) AS i")
		check.Value(up(t.Context(), f.runner()))(t)
		check.Same(t, "changes by "+kind, f.text(changes), "1 1")
	}
}

// TestBackfillKeysOfSeveralColumns changes rows by such a key, and is killed in between.
func TestBackfillKeysOfSeveralColumns(t *testing.T) {
	f := newFixture(t, `1_count -- smrt:backfill table=notes key=x.k2,x."b, c",x.k1
-- +goose Up
UPDATE notes AS x SET n = x.n + 1 WHERE true /* smrt:batch */;`)
	f.exec(`CREATE TABLE notes (k1 text, k2 int, "b, c" bool DEFAULT true, id int DEFAULT 0, n int NOT NULL DEFAULT 0, PRIMARY KEY (k2, "b, c", k1))`)
	f.exec(`INSERT INTO notes (k1, k2) SELECT s || i, i % 17 FROM generate_series(1, 500) AS i, unnest(ARRAY['a,"{}', 'ä', E'\\ \'']) AS s`)
	r := f.runner()
	n := 0
	r.BeforeStatement(func(pid uint32, sqlText string) {
		if !strings.HasPrefix(sqlText, "UPDATE notes") {
			return
		}
		if n++; n == 3 {
			f.exec("SELECT pg_terminate_backend($1)", int32(pid))
			f.until("0", "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", int32(pid))
		}
	})
	if _, err := up(t.Context(), r); err == nil {
		t.Fatal("the run that was killed says nothing")
	}
	check.Same(t, "changes after the kill", f.text(changes), "0 1")
	check.Same(t, "rows changed", f.text("SELECT count(*) FROM notes WHERE n = 1"), f.text("SELECT changed FROM smrt_backfill"))
	check.Value(up(t.Context(), f.runner()))(t)
	check.Same(t, "changes of each row", f.text(changes), "1 1")
	if !f.seen(migrate.Resumes, "goes on behind k2, b, c, k1 {") || !f.seen(migrate.Works, "1500 rows seen, 1500 changed") {
		t.Errorf("the events are %v", f.events)
	}
}

// TestBackfillWithoutSmrt runs the file's text as goose would: it is one statement.
func TestBackfillWithoutSmrt(t *testing.T) {
	f := newNotes(t)
	_, text, _ := strings.Cut(count, " ")
	f.exec(text)
	check.Same(t, "changes", f.text(changes), "1 1")
}

// TestBackfillMeetsALock tries a batch again that met a locked row, with fewer rows.
func TestBackfillMeetsALock(t *testing.T) {
	f := newNotes(t, count)
	tx := check.Value(f.pool.Begin(t.Context()))(t)
	check.Value(tx.Exec(t.Context(), "SELECT 1 FROM notes WHERE id = 700 FOR UPDATE"))(t)
	repeats := 0
	f.opts.Report = func(e migrate.Event) {
		if e.Kind != migrate.Repeats {
			return
		}
		check.Same(t, "rows behind the lock that are changed", f.text("SELECT count(*) FROM notes WHERE id >= 700 AND n > 0"), "0")
		if repeats++; repeats == 2 {
			check.NoError(t, tx.Rollback(t.Context()))
		}
	}
	check.Value(up(t.Context(), f.runner()))(t)
	check.Same(t, "batches that failed", repeats, 2)
	check.Same(t, "changes", f.text(changes), "1 1")
}

func TestBackfillWaitsForTransactions(t *testing.T) {
	f := newNotes(t, count)
	tx := check.Value(f.pool.Begin(t.Context()))(t)
	f.opts.Batches.Age = time.Millisecond
	paused := 0
	f.opts.Report = func(e migrate.Event) {
		if e.Kind == migrate.Pauses && strings.Contains(e.Text, "a transaction has been open for") {
			if paused++; paused == 1 {
				check.Same(t, "rows changed", f.text("SELECT count(*) FROM notes WHERE n > 0"), "0")
				check.NoError(t, tx.Rollback(t.Context()))
			}
		}
	}
	check.Value(up(t.Context(), f.runner()))(t)
	check.Same(t, "changes", f.text(changes), "1 1")
	if paused == 0 {
		t.Error("nothing was waited for")
	}
}

func TestBackfillWaitsForStandbys(t *testing.T) {
	primary := testdb.Primary(t, testdb.Config{})
	standby := check.Value(primary.Standby(t.Context(), testdb.StandbyConfig{}))(t)
	conn := check.Value(pgx.Connect(t.Context(), primary.DSN("postgres")))(t)
	defer func() { check.NoError(t, conn.Close(t.Context())) }()
	check.Value(conn.Exec(t.Context(), "CREATE TABLE notes (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO notes SELECT generate_series(1, 1000)"))(t)
	check.NoError(t, standby.WaitForReplay(t.Context(), primary))
	check.NoError(t, standby.PauseReplay(t.Context()))

	f := newFixture(t, count)
	f.opts.DSN, f.opts.Batches.Lag = primary.DSN("postgres"), 1000
	paused := 0
	f.opts.Report = func(e migrate.Event) {
		if e.Kind == migrate.Pauses && strings.Contains(e.Text, "a standby is") {
			if paused++; paused == 1 {
				check.NoError(t, standby.ResumeReplay(t.Context()))
			}
		}
	}
	check.Value(up(t.Context(), f.runner()))(t)
	if paused == 0 {
		t.Error("nothing was waited for")
	}
	var changed int
	check.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM notes WHERE n = 1").Scan(&changed))
	check.Same(t, "rows changed", changed, 999)
}

func TestBackfillErrors(t *testing.T) {
	const statement = "\n-- +goose Up\nUPDATE notes SET x = 1 FROM missing WHERE true /* smrt:batch */;" // never run
	for text, want := range map[string]string{
		"":                     "it needs table=NAME and key=COLUMN",
		"table=notes":          "it needs table=NAME and key=COLUMN",
		"table=notes kee=id":   "kee=id is neither table=NAME nor key=COLUMN",
		"table=notes key=id,":  "there is no column  of a table notes",
		"table=notes key=u,id": "u of notes may be NULL",
		"table=notes key=n,id": "n, id of notes have no unique index on them alone, in this order",
		"table=notes key= id":  "key= is neither",
		"table=notes key=n":    "n of notes have no unique index on them alone",
		"table=notes key=u":    "u of notes may be NULL",
		"table=notes key=id2":  "there is no column id2 of a table notes",
		"table=missing key=id": "there is no column id of a table missing",
	} {
		f := newFixture(t)
		f.exec("CREATE TABLE notes (id bigint PRIMARY KEY, n int NOT NULL, u int UNIQUE, UNIQUE (id, n))")
		f.write("1_x -- smrt:backfill " + text + statement)
		r, err := migrate.Open(f.opts)
		if err == nil {
			_, err = up(t.Context(), r)
			check.NoError(t, r.Close())
		}
		if err == nil || !strings.HasPrefix(err.Error(), "1_x.sql:1: smrt:backfill: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("the error of %q is %v, want %q", text, err, want)
		}
	}
	const condition = "must stand at the end of a condition of WHERE"
	for text, want := range map[string]string{
		"":                           "one statement",
		"SELECT 1; SELECT 2;":        "one statement",
		"UPDATE notes SET n = 1;":    "the comment /* smrt:batch */ once",
		"/* smrt:batch */ UPDATE x;": "the comment /* smrt:batch */ once",
		"UPDATE /* smrt:batch */ x /* smrt:batch */;":                                     "the comment /* smrt:batch */ once",
		"UPDATE x SET c = 1 WHERE b /* smrt:batch */;":                                    "the statement has no table a, by whose keys",
		"UPDATE a SET c = 1, b = b + 1 WHERE c /* smrt:batch */;":                         "the statement changes b, so",
		"UPDATE x SET a = true /* smrt:batch */;":                                         condition,
		"UPDATE x SET a = 1 WHERE b OR c /* smrt:batch */;":                               condition,
		"UPDATE x SET a = 1 WHERE b /* smrt:batch */ OR c;":                               condition,
		"UPDATE x SET a = 1 WHERE b /* smrt:batch */ AND c or d;":                         condition,
		"UPDATE x SET a = 1 WHERE b /* smrt:batch */ IS NULL;":                            condition,
		"UPDATE x SET a = 1 WHERE b RETURNING c /* smrt:batch */;":                        condition,
		"UPDATE x SET a = (SELECT 1 WHERE true), b = c /* smrt:batch */;":                 condition,
		"UPDATE x SET a = 1 WHERE b = (SELECT c /* smrt:batch */);":                       condition,
		"INSERT INTO x SELECT 1 FROM a JOIN y ON b = c /* smrt:batch */;":                 condition,
		"INSERT INTO x SELECT 1 WHERE b ON CONFLICT DO UPDATE SET a = b /* smrt:batch */": condition,
	} {
		_, _, err := migrate.PlanOf(fstest.MapFS{"1_x.sql": {Data: []byte("-- smrt:backfill table=a key=b\n-- +goose Up\n" + text)}}, nil, migrate.Target{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error of %q is %v, want %q", text, err, want)
		}
	}
}

// TestBackfillConditions takes what AND can be added to.
func TestBackfillConditions(t *testing.T) {
	for _, text := range []string{
		"UPDATE a SET x = 1 WHERE (x OR y) /* smrt:batch */;",
		"UPDATE a SET x = y OR z WHERE true /* smrt:batch */ AND (x OR y) RETURNING x OR y;",
		"INSERT INTO x SELECT 1 FROM a JOIN y ON b OR c WHERE d /* smrt:batch */ ON CONFLICT DO NOTHING;",
		"WITH w AS (SELECT 1 FROM a WHERE x /* smrt:batch */) UPDATE y SET z = 1 FROM w WHERE b OR c;",
	} {
		_, _, err := migrate.PlanOf(folder("1_x.sql", "-- smrt:backfill table=a key=b\n-- +goose Up\n"+text), nil, migrate.Target{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestBatchesAreShort lets rows cost what they like: after a few batches none takes
// longer than the target, and none is much shorter.
func TestBatchesAreShort(t *testing.T) {
	const target = 200 * time.Millisecond
	for _, cost := range []time.Duration{5 * time.Microsecond, 100 * time.Microsecond, 3 * time.Millisecond, 60 * time.Millisecond} {
		size := int64(100)
		for range 12 {
			size = migrate.Resize(size, time.Duration(size)*cost, target)
		}
		if took := time.Duration(size) * cost; took > target || took < target/4 {
			t.Errorf("rows that take %v are changed in batches of %d, which take %v", cost, size, took)
		}
	}
	check.Same(t, "rows of a batch that takes no time", fmt.Sprint(migrate.Resize(1, 0, target), migrate.Resize(90_000, 0, target)), "2 100000")
	check.Same(t, "rows of a batch whose rows take forever", migrate.Resize(100, time.Hour, target), 1)
}
