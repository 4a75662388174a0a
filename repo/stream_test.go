package repo_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// fillEvents makes n rows of a hundred bytes.
func fillEvents(t *testing.T, a *archive, n int) *repo.Repository[event, query.NoKey] {
	t.Helper()
	_, err := a.pool.Exec(t.Context(), "INSERT INTO events SELECT repeat('x', 100) FROM generate_series(1, $1::bigint)", n)
	check.NoError(t, err)
	return repo.New(a.pool, eventTable)
}

// TestStreamEndsEarly leaves a stream after a few rows of many, and uses the
// only connection at once.
func TestStreamEndsEarly(t *testing.T) {
	const rows = 300_000
	a, ctx := newArchive(t, testdb.MaxConns(1)), t.Context()
	events := fillEvents(t, a, rows)
	begin := time.Now()
	for range events.Stream(ctx, query.All[event]()) {
	}
	whole := time.Since(begin)

	begin = time.Now()
	for range 3 {
		seen := 0
		for _, err := range events.Stream(ctx, query.All[event]()) {
			check.NoError(t, err)
			if seen++; seen == 2 {
				break
			}
		}
		check.Same(t, "the connection is free and sound", check.Value(events.Exists(ctx, query.All[event]()))(t), true)
	}
	if early := time.Since(begin) / 3; early > whole/2+50*time.Millisecond {
		t.Errorf("leaving early took %v, the whole stream %v", early, whole)
	}
}

// TestStreamEndsEarlyInTransaction proves that the transaction goes on.
func TestStreamEndsEarlyInTransaction(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	events := fillEvents(t, a, 5_000)
	check.NoError(t, pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		for range events.With(tx).Stream(ctx, query.All[event]()) {
			break
		}
		return events.With(tx).Create(ctx, &event{"after"})
	}))
	check.Same(t, "committed", check.Value(events.Exists(ctx, query.Where(eventText.Eq("after"))))(t), true)
}

// TestStreamHoldsAConnection proves that a pool of one has none left inside
// the loop, and that this ends with the caller's deadline.
func TestStreamHoldsAConnection(t *testing.T) {
	a := newArchive(t, testdb.MaxConns(1))
	events := fillEvents(t, a, 10)
	for _, err := range events.Stream(t.Context(), query.All[event]()) {
		check.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err = events.Count(ctx, query.All[event]())
		cancel()
		check.Error(t, "a second statement inside the loop", err, context.DeadlineExceeded)
		break
	}
	check.Same(t, "after the loop", check.Value(events.Count(t.Context(), query.All[event]()))(t), 10)
}

// TestStreamSurvivesPanic proves that a loop that panics gives its connection
// back.
func TestStreamSurvivesPanic(t *testing.T) {
	a := newArchive(t, testdb.MaxConns(1))
	events := fillEvents(t, a, 1_000)
	func() {
		defer func() { check.Same(t, "recovered", recover(), any("mine")) }()
		for range events.Stream(t.Context(), query.All[event]()) {
			panic("mine")
		}
	}()
	check.Same(t, "after the panic", check.Value(events.Count(t.Context(), query.All[event]()))(t), 1_000)
}

// TestStreamTwice proves that a stream is a query to be run, not a result.
func TestStreamTwice(t *testing.T) {
	a := newArchive(t)
	stream := fillEvents(t, a, 3).Stream(t.Context(), query.All[event]())
	for range 2 {
		n := 0
		for _, err := range stream {
			check.NoError(t, err)
			n++
		}
		check.Same(t, "rows", n, 3)
	}
}

// TestStreamOfKilledBackend ends the server's side in the middle of a stream.
func TestStreamOfKilledBackend(t *testing.T) {
	a, ctx := newArchive(t, testdb.MaxConns(2), testdb.Direct()), t.Context()
	events := fillEvents(t, a, 300_000)
	conn := check.Value(a.pool.Acquire(ctx))(t)
	defer conn.Release()
	pid := conn.Conn().PgConn().PID()
	seen, failed := 0, error(nil)
	for _, err := range events.With(conn).Stream(ctx, query.All[event]()) {
		if err != nil {
			failed = err
			continue
		}
		if seen++; seen == 1 {
			_, err := a.pool.Exec(ctx, "SELECT pg_terminate_backend($1::int)", pid)
			check.NoError(t, err)
		}
	}
	if failed == nil || seen == 300_000 {
		t.Errorf("a stream cut after %d rows ended with error %v", seen, failed)
	}
	var pg *pgconn.PgError
	if errors.As(failed, &pg) && pg.Code != "57P01" {
		t.Errorf("got SQLSTATE %s", pg.Code)
	}
	check.Same(t, "the pool goes on", check.Value(events.Exists(ctx, query.All[event]()))(t), true)
}

// TestCancelled runs operations with contexts that end before and during.
func TestCancelled(t *testing.T) {
	a := newArchive(t, testdb.MaxConns(1))
	d := a.add(t, "a")[0]
	before, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := a.documents.Get(before, d.ID)
	check.Error(t, "get", err, context.Canceled)
	_, err = a.documents.Find(before, query.All[document]())
	check.Error(t, "find", err, context.Canceled)
	check.Error(t, "create", a.documents.Create(before, &document{Slug: "b"}), context.Canceled)
	check.Error(t, "create many", a.documents.CreateMany(before, []document{{Slug: "b"}}), context.Canceled)
	for _, err := range a.documents.Stream(before, query.All[document]()) {
		check.Error(t, "stream", err, context.Canceled)
	}

	slow := query.Where(query.Raw[document]("pg_sleep(300) IS NOT NULL"))
	during, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err = a.documents.Find(during, slow)
	check.Error(t, "during a query", err, context.DeadlineExceeded)
	if took := time.Since(begin); took > testdb.Patience(10*time.Second) {
		t.Errorf("the caller waited %v for the end of a query of 50ms", took)
	}
	check.Same(t, "the pool goes on", check.Value(a.documents.Count(t.Context(), query.All[document]()))(t), 1)
}

// TestCancelledDuringStream ends the context between two rows.
func TestCancelledDuringStream(t *testing.T) {
	a := newArchive(t, testdb.MaxConns(1))
	events := fillEvents(t, a, 300_000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen, failed := 0, error(nil)
	for _, err := range events.Stream(ctx, query.All[event]()) {
		if failed = err; err == nil {
			seen++
			cancel()
		}
	}
	check.Error(t, "the end of the stream", failed, context.Canceled)
	if seen == 0 || seen == 300_000 {
		t.Errorf("%d rows were seen", seen)
	}
	check.Same(t, "the pool goes on", check.Value(events.Exists(t.Context(), query.All[event]()))(t), true)
}
