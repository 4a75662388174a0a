package wal_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/internal/wal"
)

var schema = testdb.SQL("wal", `
	CREATE TABLE parents (id int PRIMARY KEY);
	CREATE TABLE notes (id serial PRIMARY KEY, body text, parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
	DO $$ BEGIN CREATE ROLE wal_stranger; EXCEPTION WHEN duplicate_object THEN END $$`) // roles belong to all databases

// counted counts what is sent.
type counted struct {
	net.Conn
	sent *atomic.Int64
}

func (c counted) Write(b []byte) (int, error) {
	c.sent.Add(1)
	return c.Conn.Write(b)
}

// begin opens a transaction that has written a note.
func begin(t *testing.T, pool *pgxpool.Pool) *pgxpool.Conn {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	check.NoError(t, err)
	t.Cleanup(conn.Release)
	_, err = conn.Exec(t.Context(), "begin")
	check.NoError(t, err)
	_, err = conn.Exec(t.Context(), "insert into notes (body) values ('x')")
	check.NoError(t, err)
	return conn
}

// TestCommit reads positions that cover the commit and move forward, with one message.
func TestCommit(t *testing.T) {
	var sent atomic.Int64
	pool := testdb.Pool(t, schema, testdb.Configure(func(cfg *pgxpool.Config) {
		dial := cfg.ConnConfig.DialFunc
		cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return counted{conn, &sent}, err
		}
	}))
	var last smrt.Position
	for range 10 {
		conn := begin(t, pool)
		sent.Store(0)
		p, err := wal.Commit(t.Context(), conn.Conn())
		check.NoError(t, err)
		check.Same(t, "messages sent", sent.Load(), 1)
		if p.System == 0 || p.Timeline != 1 || p.LSN <= last.LSN {
			t.Fatalf("position %v of system %d, after %v", p, p.System, last)
		}
		last = p
		conn.Release()
	}
	now, err := wal.Now(t.Context(), pool)
	check.NoError(t, err)
	if now.LSN < last.LSN || now.System != last.System || now.Timeline != last.Timeline {
		t.Fatalf("now %v, last commit %v", now, last)
	}
}

// TestCommitFails proves that a transaction that was not committed is never reported as if it was.
func TestCommitFails(t *testing.T) {
	pool := testdb.Pool(t, schema)

	conn := begin(t, pool)
	_, err := conn.Exec(t.Context(), "select 1/0")
	if err == nil {
		t.Fatal("divided by zero")
	}
	_, err = wal.Commit(t.Context(), conn.Conn())
	check.Error(t, "a transaction that failed", err, pgx.ErrTxCommitRollback)
	check.Same(t, "status", conn.Conn().PgConn().TxStatus(), byte('I'))

	_, err = wal.Commit(t.Context(), conn.Conn()) // there is none
	check.Error(t, "no transaction", err, pgx.ErrTxClosed)
	conn.Release()

	conn = begin(t, pool)
	_, err = conn.Exec(t.Context(), "insert into notes (parent) values (1)")
	check.NoError(t, err)
	_, err = wal.Commit(t.Context(), conn.Conn())
	if err == nil || !strings.Contains(err.Error(), "23503") {
		t.Fatalf("a deferred constraint: %v", err)
	}
	check.Same(t, "status", conn.Conn().PgConn().TxStatus(), byte('I'))
	conn.Release()

	conn = begin(t, pool)
	check.NoError(t, conn.Conn().Close(t.Context()))
	_, err = wal.Commit(t.Context(), conn.Conn())
	check.Error(t, "a closed connection", err, pgconn.ErrConnClosed)
	conn.Release()

	var n int
	check.NoError(t, pool.QueryRow(t.Context(), "select count(*) from notes").Scan(&n))
	check.Same(t, "notes", n, 0)
}

// TestCommitWithoutPosition commits where the position cannot be read.
func TestCommitWithoutPosition(t *testing.T) {
	pool := testdb.Pool(t, schema)
	_, err := pool.Exec(t.Context(), "revoke execute on function pg_control_system from public; grant insert on notes to wal_stranger; grant usage on sequence notes_id_seq to wal_stranger")
	check.NoError(t, err)
	conn := begin(t, pool)
	_, err = conn.Exec(t.Context(), "set local role wal_stranger; insert into notes (body) values ('y')")
	check.NoError(t, err)
	_, err = conn.Exec(t.Context(), "set session authorization wal_stranger")
	check.NoError(t, err)
	p, err := wal.Commit(t.Context(), conn.Conn())
	check.NoError(t, err)
	check.Same(t, "position", p, smrt.Position{})
	_, err = conn.Exec(t.Context(), "reset session authorization")
	check.NoError(t, err)
	conn.Release()
	var n int
	check.NoError(t, pool.QueryRow(t.Context(), "select count(*) from notes").Scan(&n))
	check.Same(t, "notes", n, 2)
}

// TestInsertPositionExists commits without waiting for the log, until ten insert positions were at the beginning of a
// page, and proves that none of the positions lies inside a page's header. What a commit writes beside its text is
// learned from the commit before, so that one text in each page can be made to end with it.
func TestInsertPositionExists(t *testing.T) {
	const page, longest = 8192, 1900 // a longer text is compressed
	pool := testdb.Pool(t, schema, testdb.MaxConns(1))
	_, err := pool.Exec(t.Context(), "set synchronous_commit = off")
	check.NoError(t, err)
	edges, commits, length, beside, last := 0, 0, longest, 0, uint64(0)
	for ; edges < 10 && commits < 20_000; commits++ {
		conn := begin(t, pool)
		_, err := conn.Exec(t.Context(), "insert into notes (body) values (repeat('x', $1))", length)
		check.NoError(t, err)
		p, err := wal.Commit(t.Context(), conn.Conn())
		check.NoError(t, err)
		conn.Release()
		switch p.LSN % page {
		case 0:
			edges++
		case 24:
			t.Fatalf("position %v lies behind the header of a page", p)
		}
		if p.LSN/page == last/page {
			beside = int(p.LSN-last) - length
		}
		last = p.LSN
		if length = int(page-p.LSN%page) - beside; length < 0 || length > longest {
			length = longest
		}
	}
	if edges < 10 {
		t.Fatalf("%d of %d positions were at the edge of a page, want 10", edges, commits)
	}
	t.Logf("%d of %d positions at the edge of a page", edges, commits)
}

// TestHeaders takes the headers of pages off, and nothing else.
func TestHeaders(t *testing.T) {
	const block, segment = 8192, 16 << 20
	for lsn, want := range map[uint64]uint64{
		0: 0, 24: 0, 40: 0, 41: 41, block: block, block + 24: block, block + 40: block + 40, block + 25: block + 25,
		segment + 24: segment, segment + 40: segment, segment + block + 24: segment + block, 3*segment - 1: 3*segment - 1,
	} {
		check.Same(t, fmt.Sprintf("%X", lsn), wal.Existing(lsn, block, segment), want)
	}
}

// FuzzParseLSN compares with what was written.
func FuzzParseLSN(f *testing.F) {
	f.Add(uint64(0x16B374D848))
	f.Fuzz(func(t *testing.T, lsn uint64) {
		got, err := wal.ParseLSN(fmt.Sprintf("%X/%X", lsn>>32, uint32(lsn)))
		check.NoError(t, err)
		check.Same(t, "lsn", got, lsn)
	})
}
