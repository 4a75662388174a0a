package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/internal/check"
)

// TestKilledAtEachStatement kills the server process that migrates before each
// statement of three files, and each that goose sends around them. A second run ends
// well, or names the file and the line that cannot be run twice.
func TestKilledAtEachStatement(t *testing.T) {
	files := []string{
		"1_transaction CREATE TABLE notes (id bigint PRIMARY KEY);\nINSERT INTO notes VALUES (1), (2);\nALTER TABLE notes ADD text text;",
		"2_repeatable -- +goose NO TRANSACTION\n-- +goose Up\nALTER TABLE notes ADD IF NOT EXISTS at date;\nCREATE INDEX CONCURRENTLY IF NOT EXISTS notes_text ON notes (text);",
		"3_not -- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE x ();\nCREATE TABLE y ();",
	}
	named := 0
	for kill := 1; ; kill++ {
		f := newFixture(t, files...)
		r := f.runner()
		n, killed := 0, ""
		r.BeforeStatement(func(pid uint32, sqlText string) {
			ours := strings.HasPrefix(sqlText, "INSERT INTO goose_db_version") || sqlText == "begin" || sqlText == "commit"
			for _, file := range files {
				ours = ours || strings.Contains(file, sqlText)
			}
			if !ours {
				return
			}
			if n++; n == kill {
				killed = sqlText
				f.exec("SELECT pg_terminate_backend($1)", int32(pid))
				f.until("0", "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", int32(pid))
			}
		})
		_, err := up(t.Context(), r)
		if killed == "" {
			check.NoError(t, err)
			break // there is no further statement
		}
		if err == nil {
			t.Fatalf("killed at %q, the run says nothing", killed)
		}
		_, err = up(t.Context(), f.runner())
		failed := (*migrate.Error)(nil)
		if err == nil {
			check.Same(t, "versions after a kill at "+killed, f.versions(), "1 2 3")
			check.Same(t, "rows after a kill at "+killed, f.text("SELECT count(*) FROM notes"), "2")
			check.Same(t, "index after a kill at "+killed, f.text("SELECT bool_and(indisvalid) FROM pg_index WHERE indexrelid = 'notes_text'::regclass"), "true")
		} else if !errors.As(err, &failed) || filepath.Base(failed.File) != "3_not.sql" || failed.Line != 3 || !strings.Contains(failed.Hint, "no transaction") {
			t.Errorf("killed at %q, the second run says %v", killed, err)
		} else {
			named++
		}
	}
	check.Same(t, "kills after which the line is named", named, 4) // before y, and before the three statements that record the version
}

func TestRunnersAtOnce(t *testing.T) {
	var files []string
	for i := range 6 {
		files = append(files, fmt.Sprintf("%d_log INSERT INTO log VALUES (%d);", i+2, i+2))
	}
	f := newFixture(t, append(files, "1_log CREATE TABLE log (version int);")...)
	var runners sync.WaitGroup
	errs, others := make([]error, 3), make([]int, 3)
	for i := range errs {
		r := f.runner()
		runners.Go(func() {
			var ran []migrate.Ran
			ran, errs[i] = up(t.Context(), r)
			for _, m := range ran {
				if !m.Other {
					others[i]++
				}
			}
		})
	}
	runners.Wait()
	check.NoError(t, errors.Join(errs...))
	check.Same(t, "versions", f.versions(), "1 2 3 4 5 6 7")
	check.Same(t, "what ran", f.text("SELECT string_agg(version::text, ' ' ORDER BY version) FROM log"), "2 3 4 5 6 7")
	check.Same(t, "what the runners say", others[0]+others[1]+others[2], 7)
}

// TestChild is no test: it is the runner that TestHolderKilled kills.
func TestChild(t *testing.T) {
	dsn, dir, _ := strings.Cut(os.Getenv("SMRT_TEST_CHILD_MIGRATES"), "\n")
	if dsn == "" {
		t.Skip("runs as a child of TestHolderKilled")
	}
	r := check.Value(migrate.Open(migrate.Options{DSN: dsn, Dir: dir, Lease: migrate.Lease{Length: 2 * time.Second, Heartbeat: 100 * time.Millisecond}}))(t)
	check.Value(up(context.Background(), r))(t)
}

// TestHolderKilled kills the process of a runner in the middle of a migration. Another
// takes the lease when it has run out, and not before.
func TestHolderKilled(t *testing.T) {
	f := newFixture(t, "1_log INSERT INTO log VALUES (clock_timestamp());\nSELECT pg_advisory_xact_lock(1);")
	f.exec("CREATE TABLE log (at timestamptz)")
	holder := check.Value(f.pool.Acquire(t.Context()))(t)
	defer holder.Release()
	check.Value(holder.Exec(t.Context(), "SELECT pg_advisory_lock(1)"))(t)

	child := exec.Command(os.Args[0], "-test.run=^TestChild$") //nolint:gosec // this program
	child.Env = append(os.Environ(), "SMRT_TEST_CHILD_MIGRATES="+f.opts.DSN+"\n"+f.opts.Dir)
	check.NoError(t, child.Start())
	const waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	f.until("1", waiting)
	check.NoError(t, child.Process.Kill())
	if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the runner was not killed: %v", err)
	}
	check.Same(t, "lease of the dead, which ends within its length", f.text("SELECT locked AND lease_expires_at <= clock_timestamp() + interval '2 s' FROM goose_lock"), "true")
	end := f.text("SELECT lease_expires_at FROM goose_lock")

	done := make(chan error, 1)
	r, late := f.runner(), 0
	r.BeforeStatement(func(_ uint32, sqlText string) {
		if strings.Contains(sqlText, "INSERT INTO goose_lock") && f.text("SELECT clock_timestamp() > $1::text::timestamptz", end) == "true" {
			late++
		}
	})
	go func() {
		_, err := up(t.Context(), r)
		done <- err
	}()
	check.Value(holder.Exec(t.Context(), "SELECT pg_advisory_unlock(1)"))(t)
	check.NoError(t, <-done)
	check.Same(t, "versions", f.versions(), "1")
	check.Same(t, "runs that count, after the lease", f.text("SELECT bool_and(at > $1::text::timestamptz)::text || count(*) FROM log", end), "true1")
	if late > 1 {
		t.Errorf("the lease had run out and was not taken by the first try, but by number %d", late)
	}
	if !f.seen(migrate.Waits, "waits for the lease, which ") {
		t.Error("nobody says that a lease is waited for")
	}
}

// TestLeaseLost takes the lease from a runner that lives. What it did is rolled back,
// and done again when it has the lease again.
func TestLeaseLost(t *testing.T) {
	f := newFixture(t, "1_log CREATE TABLE log ();")
	r := f.runner()
	taken := 0
	r.BeforeStatement(func(_ uint32, sqlText string) {
		if strings.HasPrefix(sqlText, "CREATE TABLE log") {
			if taken++; taken == 1 {
				f.exec("UPDATE goose_lock SET locked_by = 'another', lease_expires_at = now() + interval '1 s'")
			}
		}
	})
	check.Value(up(t.Context(), r))(t)
	check.Same(t, "runs", taken, 2)
	check.Same(t, "versions", f.versions(), "1")
	if !f.seen(migrate.Repeats, "another runner has taken the lease") {
		t.Error("nobody says that the lease was lost")
	}
}

// TestLeaseIsKeptUntilTheCommit tries to take the lease just before a commit.
func TestLeaseIsKeptUntilTheCommit(t *testing.T) {
	f := newFixture(t, "1_log CREATE TABLE log ();")
	r := f.runner()
	ours, tried := false, false
	r.BeforeStatement(func(_ uint32, sqlText string) {
		if ours = ours || strings.HasPrefix(sqlText, "CREATE TABLE log"); !ours || sqlText != "commit" || tried {
			return
		}
		tried = true
		tx := check.Value(f.pool.Begin(t.Context()))(t)
		check.Value(tx.Exec(t.Context(), "SET LOCAL lock_timeout = 50"))(t)
		if _, err := tx.Exec(t.Context(), "UPDATE goose_lock SET locked_by = 'another'"); err == nil || !strings.Contains(err.Error(), "55P03") {
			t.Errorf("the lease can be taken before the commit: %v", err)
		}
		check.NoError(t, tx.Rollback(t.Context()))
	})
	check.Value(up(t.Context(), r))(t)
	check.Same(t, "the commit was seen", tried, true)
}

// TestLockTimeout holds a lock that a migration needs second. It fails and holds
// nothing until it is tried again: no lock, no session, no lease.
func TestLockTimeout(t *testing.T) {
	f := newFixture(t, "1_both ALTER TABLE a ADD x int;\nALTER TABLE b ADD x int;")
	f.exec("CREATE TABLE a (); CREATE TABLE b ()")
	tx := check.Value(f.pool.Begin(t.Context()))(t)
	check.Value(tx.Exec(t.Context(), "LOCK TABLE b IN ACCESS SHARE MODE"))(t)
	repeats := 0
	f.opts.Report = func(e migrate.Event) {
		if e.Kind != migrate.Repeats {
			return
		}
		if !strings.Contains(e.Text, "55P03") || e.Line != 3 {
			t.Errorf("line %d failed: %s", e.Line, e.Text)
		}
		check.Same(t, "locks between tries", f.text("SELECT count(*) FROM pg_locks WHERE relation = 'a'::regclass"), "0")
		check.Same(t, "leases between tries", f.text("SELECT count(*) FROM goose_lock WHERE locked"), "0")
		f.until("0", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'smrt migrate' AND datname = current_database()")
		if repeats++; repeats == 2 {
			check.NoError(t, tx.Rollback(t.Context()))
		}
	}
	ran := check.Value(up(t.Context(), f.runner()))(t)
	check.Same(t, "tries", ran[0].Tries, 3)
	check.Same(t, "columns", f.text("SELECT count(*) FROM pg_attribute WHERE attname = 'x' AND attrelid IN ('a'::regclass, 'b'::regclass)"), "2")
}

// TestRetriesEnd gives up after as many tries as are allowed.
func TestRetriesEnd(t *testing.T) {
	f := newFixture(t, "1_a ALTER TABLE a ADD x int;", "2_b -- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE b ();\nALTER TABLE a ADD y int;")
	f.exec("CREATE TABLE a ()")
	tx := check.Value(f.pool.Begin(t.Context()))(t)
	lock := func() { check.Value(tx.Exec(t.Context(), "LOCK TABLE a IN ACCESS SHARE MODE"))(t) }
	lock()
	f.opts.Retry.Times = 3
	_, err := up(t.Context(), f.runner())
	if err == nil || !strings.Contains(err.Error(), "1_a.sql:2: ") || !strings.Contains(err.Error(), "pg_locks") {
		t.Errorf("the error is %v", err)
	}
	check.Same(t, "tries", f.count(migrate.Begins), 4)
	check.Same(t, "repetitions", f.count(migrate.Repeats), 3)
	check.NoError(t, tx.Rollback(t.Context()))

	// What cannot be rolled back is not repeated.
	check.Value(up(t.Context(), onlyFirst(f)))(t)
	tx = check.Value(f.pool.Begin(t.Context()))(t)
	lock()
	_, err = up(t.Context(), f.runner())
	if err == nil || !strings.Contains(err.Error(), "2_b.sql:4: ") || !strings.Contains(err.Error(), "statements before this one, or a part of it, were run") {
		t.Errorf("the error is %v", err)
	}
	check.NoError(t, tx.Rollback(t.Context()))
}

// TestNothingIsRunTwice gives up on files without a transaction of which a part has been
// committed when a lock is not free.
func TestNothingIsRunTwice(t *testing.T) {
	t.Setenv("SMRT_TEST_VALUE", "1")
	tx := newFixture(t, "1_a INSERT INTO log VALUES (1);\nROLLBACK;", "2_b INSERT INTO log VALUES (2);\nSAVEPOINT s;\nROLLBACK TO s;")
	tx.exec("CREATE TABLE log (n int)")
	if _, err := up(t.Context(), tx.runner()); err == nil || !strings.Contains(err.Error(), "1_a.sql:3: ROLLBACK gives up") {
		t.Errorf("the error of a file that rolls back is %v", err)
	}
	check.Same(t, "how often it was run", tx.text("SELECT count(*) FROM log"), "0")
	check.NoError(t, os.Remove(filepath.Join(tx.opts.Dir, "1_a.sql")))
	check.Value(up(t.Context(), tx.runner()))(t)
	for name, text := range map[string]string{
		"a file that commits":             "INSERT INTO log VALUES (1);\nCOMMIT;\nALTER TABLE a ADD x int;",
		"one of two that are sent as one": "-- +goose StatementBegin\nCREATE TABLE IF NOT EXISTS b (); INSERT INTO log VALUES (1);\n-- +goose StatementEnd\nALTER TABLE a ADD x int;",
		"a statement goose changes":       "-- +goose ENVSUB ON\nINSERT INTO log VALUES (${SMRT_TEST_VALUE});\nALTER TABLE a ADD x int;",
		"a procedure that commits":        "CALL p();",
		"a block that commits":            "-- +goose StatementBegin\nDO $$ BEGIN INSERT INTO log VALUES (1); COMMIT; LOCK TABLE a; END $$;\n-- +goose StatementEnd",
		"several with a COMMIT":           "-- +goose StatementBegin\nBEGIN; INSERT INTO log VALUES (1); COMMIT; LOCK TABLE a;\n-- +goose StatementEnd",
	} {
		if name != "a file that commits" {
			text = "-- +goose NO TRANSACTION\n-- +goose Up\n" + text
		}
		f := newFixture(t, "1_a "+text)
		f.exec("CREATE TABLE a (); CREATE TABLE log (n int); CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (1); COMMIT; LOCK TABLE a; END'")
		f.opts.Retry.Times = 3
		tx := check.Value(f.pool.Begin(t.Context()))(t)
		check.Value(tx.Exec(t.Context(), "LOCK TABLE a IN ACCESS SHARE MODE"))(t)
		_, err := up(t.Context(), f.runner())
		if err == nil || !strings.Contains(err.Error(), "the file has no transaction") {
			t.Errorf("%s: the error is %v", name, err)
		}
		check.Same(t, "how often it was run: "+name, f.text("SELECT count(*) FROM log"), "1")
		check.NoError(t, tx.Rollback(t.Context()))
	}
}

// onlyFirst returns a runner of the first file alone.
func onlyFirst(f *fixture) *migrate.Runner {
	opts := f.opts
	opts.Dir = f.t.TempDir()
	text := check.Value(os.ReadFile(filepath.Join(f.opts.Dir, "1_a.sql")))(f.t)
	check.NoError(f.t, os.WriteFile(filepath.Join(opts.Dir, "1_a.sql"), text, 0o600))
	r := check.Value(migrate.Open(opts))(f.t)
	f.t.Cleanup(func() { check.NoError(f.t, r.Close()) })
	return r
}

// TestNoLease gives up when another runner has the lease for long.
func TestNoLease(t *testing.T) {
	f := newFixture(t, count)
	f.exec("CREATE TABLE notes (id bigint PRIMARY KEY, n int)")
	check.Value(up(t.Context(), f.runner()))(t) // which makes the tables
	f.exec("DELETE FROM goose_db_version WHERE version_id = 1; UPDATE goose_lock SET locked = true, locked_by = 'somebody', lease_expires_at = now() + interval '1 hour'")
	f.opts.Lease.Wait = 50 * time.Millisecond
	_, err := up(t.Context(), f.runner())
	if err == nil || !strings.Contains(err.Error(), "no lease within 50ms") || !strings.Contains(err.Error(), "another runner has it") {
		t.Errorf("the error is %v", err)
	}
	if !f.seen(migrate.Waits, "which somebody has") {
		t.Error("nobody says who has the lease")
	}
}

const invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"

func TestInvalidIndex(t *testing.T) {
	const build = "1_index -- +goose NO TRANSACTION\n-- +goose Up\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"a X\" ON public.a USING btree (x);"
	t.Run("left by this run", func(t *testing.T) {
		f := newFixture(t, build)
		f.exec("CREATE TABLE a (x int); INSERT INTO a VALUES (1), (1)")
		if _, err := up(t.Context(), f.runner()); err == nil || !strings.Contains(err.Error(), "1_index.sql:3: ") || !strings.Contains(err.Error(), "23505") {
			t.Fatalf("the error is %v", err)
		}
		if !f.seen(migrate.Dropped, "a X") {
			t.Error("no index was dropped")
		}
		check.Same(t, "invalid indexes", f.text(invalid), "0")
		f.exec("DELETE FROM a")
		check.Value(up(t.Context(), f.runner()))(t)
		check.Same(t, "valid", f.text(`SELECT indisvalid FROM pg_index WHERE indexrelid = '"a X"'::regclass`), "true")
	})
	t.Run("left by another", func(t *testing.T) {
		f := newFixture(t, build)
		f.exec("CREATE TABLE a (x int); INSERT INTO a VALUES (1), (1)")
		if _, err := f.pool.Exec(t.Context(), `CREATE UNIQUE INDEX CONCURRENTLY "a X" ON a (x)`); err == nil {
			t.Fatal("the index could be built")
		}
		f.exec("DELETE FROM a")
		check.Same(t, "invalid indexes", f.text(invalid), "1")
		check.Value(up(t.Context(), f.runner()))(t)
		check.Same(t, "valid", f.text(`SELECT indisvalid FROM pg_index WHERE indexrelid = '"a X"'::regclass`), "true")
	})
	t.Run("left by a lock", func(t *testing.T) {
		f := newFixture(t, strings.Replace(build, "IF NOT EXISTS ", "", 1))
		f.exec("CREATE TABLE a (x int)")
		tx := check.Value(f.pool.Begin(t.Context()))(t)
		check.Value(tx.Exec(t.Context(), "INSERT INTO a VALUES (1)"))(t)
		report, repeats := f.opts.Report, 0
		f.opts.Report = func(e migrate.Event) {
			if report(e); e.Kind == migrate.Repeats {
				if repeats++; repeats == 2 {
					check.NoError(t, tx.Rollback(t.Context()))
				}
			}
		}
		check.Value(up(t.Context(), f.runner()))(t)
		check.Same(t, "tries that failed", repeats, 2)
		check.Same(t, "dropped", f.seen(migrate.Dropped, "a X"), true)
		check.Same(t, "valid", f.text(`SELECT indisvalid FROM pg_index WHERE indexrelid = '"a X"'::regclass`), "true")
	})
}

func TestWaitsForALock(t *testing.T) {
	f := newFixture(t, "1_a ALTER TABLE a ADD x int;")
	f.exec("CREATE TABLE a ()")
	tx := check.Value(f.pool.Begin(t.Context()))(t)
	check.Value(tx.Exec(t.Context(), "LOCK TABLE a IN ACCESS SHARE MODE"))(t)
	f.opts.LockTimeout = 0
	report := f.opts.Report
	f.opts.Report = func(e migrate.Event) {
		if report(e); e.Kind == migrate.Waits {
			check.NoError(t, tx.Rollback(t.Context()))
		}
	}
	check.Value(up(t.Context(), f.runner()))(t)
	if !f.seen(migrate.Waits, "waits for a lock of process ") {
		t.Error("nobody says who holds the lock")
	}
}

func TestCancel(t *testing.T) {
	f := newFixture(t, "1_sleep SELECT pg_sleep(600);")
	ctx, cancel := context.WithCancel(t.Context())
	r := f.runner()
	r.BeforeStatement(func(_ uint32, sqlText string) {
		if strings.Contains(sqlText, "pg_sleep") {
			cancel()
		}
	})
	_, err := up(ctx, r)
	check.Error(t, "what was cancelled", err, context.Canceled)
	if !strings.HasSuffix(fmt.Sprint(err), "1_sleep.sql:2: interrupted") {
		t.Errorf("the error is %v", err)
	}
	check.Same(t, "leases", f.text("SELECT count(*) FROM goose_lock WHERE locked"), "0")
}

func TestErrorsNameTheLine(t *testing.T) {
	f := newFixture(t)
	check.NoError(t, os.WriteFile(filepath.Join(f.opts.Dir, "1_x.sql"), []byte("-- +goose Up\r\n-- a comment\r\nSELECT 1;\r\nSELECT 1;\r\n\r\n"+
		"-- +goose StatementBegin\r\nDO $$\r\nbegin END $$;\r\n-- +goose StatementEnd\r\nCREATE TABLE \"ä\" (\r\n  a int,\r\n  b nothing\r\n);\r\n"), 0o600))
	_, err := up(t.Context(), f.runner())
	if err == nil || !strings.Contains(err.Error(), "1_x.sql:12: ") {
		t.Errorf("the error is %v", err)
	}
	f.write("1_x SELECT 1;\n-- +goose ENVSUB ON\nSELECT ${SMRT_TEST_UNSET:-1} / 0;")
	_, err = up(t.Context(), f.runner())
	if err == nil || !strings.Contains(err.Error(), "1_x.sql:4: ") {
		t.Errorf("the error is %v", err)
	}
	f.write("1_x CREATE TABLE x ();\nSELECT 1;\nCREATE TABLE x ();\nSELECT 1;")
	_, err = up(t.Context(), f.runner())
	if err == nil || !strings.Contains(err.Error(), "1_x.sql:4: ") || strings.Contains(err.Error(), "partial migration") {
		t.Errorf("the error is %v", err)
	}
}

func TestStatusChangesNothing(t *testing.T) {
	f := newFixture(t, "1_a SELECT 1;", "2_b -- smrt:phase contract\n-- +goose Up\nSELECT 1;")
	want := []migrate.Applied{{Version: 1, File: "1_a.sql"}, {Version: 2, File: "2_b.sql", Contract: true}}
	check.Equal(t, "status", check.Value(f.runner().Status(t.Context()))(t), want)
	check.Same(t, "tables", f.text("SELECT count(*) FROM pg_class WHERE relname LIKE 'goose%'"), "0")
	check.Value(up(t.Context(), f.runner()))(t)
	check.NoError(t, os.Remove(filepath.Join(f.opts.Dir, "2_b.sql")))
	want = []migrate.Applied{{Version: 1, File: "1_a.sql", Applied: true}, {Version: 2, Applied: true}}
	check.Equal(t, "status", check.Value(f.runner().Status(t.Context()))(t), want)
}

func TestPause(t *testing.T) {
	retry := migrate.Retry{Least: time.Second, Most: 30 * time.Second}
	random := map[time.Duration]bool{}
	for try := 1; try < 100; try++ {
		d := retry.Pause(try)
		random[d] = true
		if d < time.Second || d > 30*time.Second || try > 5 && d < 15*time.Second {
			t.Errorf("the pause after try %d is %v", try, d)
		}
	}
	if len(random) < 20 {
		t.Errorf("pauses are %d different ones of 99", len(random))
	}
}
