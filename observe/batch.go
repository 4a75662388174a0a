package observe

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/traced"
)

// A batch is a call of its own to most who send one. To a caller on a handle that is bound
// to row security it is often a statement: the handle has sent the setting of the tenant in
// front of it, or behind BEGIN, to save a round trip. Such a batch is a flight in query, so
// that names, rows, times, errors and loops are those of the statement. Of other batches the
// setting is left out, as nobody has asked for it.

// behind says that the statement that has begun was sent with a setting. A query that pgx
// is about to refuse, because rows are open, has not begun.
func (o *Observer) behind(conn *pgx.Conn) {
	s := o.stateOf(conn)
	if s.nested > 0 {
		s.nested--
		return
	}
	s.query.behind = true
}

// batchStart begins a batch. It has the name of a table if all of its statements that
// are for one are for the same.
func (o *Observer) batchStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	s := o.stateOf(conn)
	queue := data.Batch.QueuedQueries
	e := Event{Kind: Batch, Size: len(queue), Name: Name{Operation: "batch"}}
	tables, begins := 0, false
	s.batch.commits = false
	for i, q := range queue {
		if traced.TellsTenant(q.SQL) {
			e.Size--
			continue
		}
		sh, _ := s.shapeOf(conn, q.SQL)
		if sh == nil {
			continue
		}
		begins = begins || i == 0 && sh.name.is("begin")
		s.batch.commits = s.batch.commits || sh.name.is("commit")
		if sh.name.Table == "" {
			continue
		}
		if e.Name.Table != sh.name.Table {
			e.Name.Table = sh.name.Table
			tables++
		}
	}
	if tables > 1 {
		e.Name.Table = ""
	}
	s.batch.shape, s.batch.event = s.batchOf(e.Name), e
	ctx = s.start(ctx, conn, &s.batch, nil)
	if begins {
		s.begin(s.batch.began)
	}
	return ctx
}

// unsent begins what has a shape and no text: no statement begins with it.
const unsent = "\x00"

// batchOf returns the shape of batches for a table.
func (s *state) batchOf(n Name) *shape {
	if sh := s.batches[n.Table]; sh != nil && sh.state.Load() == settled {
		return sh
	}
	sh := s.observer.shapes.of(unsent+"batch "+n.Table, func() Name { return n })
	if s.batches == nil || len(s.batches) >= len(s.recent) {
		s.batches = map[string]*shape{}
	}
	s.batches[n.Table] = sh
	return sh
}

// batchQuery records a statement of a batch, which has no time of its own.
func (o *Observer) batchQuery(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchQueryData) {
	s := o.stateOf(conn)
	switch {
	case traced.TellsTenant(data.SQL):
		return
	case s.query.under && s.query.behind:
		s.query.tag = data.CommandTag
		return
	}
	f := &s.queued
	f.shape, _ = s.shapeOf(conn, data.SQL)
	f.event = Event{Kind: Queued, Node: s.node, Database: s.database, InTx: s.batch.event.InTx, Run: 1, Callers: 1, Rows: data.CommandTag.RowsAffected()}
	f.event.is(f.shape, data.SQL)
	if o.config.Args {
		f.event.Args = data.Args
	}
	f.event.ended(ctx, data.Err)
	f.shape.sawOffset(data.Args)
	o.shapes.add(f.shape, &f.event)
	if len(o.hooks) > 0 {
		s.surround(ctx, &f.event)
		o.after(ctx, f)
	}
	f.event, f.shape = Event{}, nil
	s.followQueued(ctx, data)
}

// batchEnd ends a batch. How many rows it had is known of its statements. That of a
// statement with a setting ends the statement: its rows are what TraceBatchQuery was told.
func (o *Observer) batchEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchEndData) {
	s := o.stateOf(conn)
	if s.query.under && s.query.behind {
		s.end(ctx, conn, &s.query, s.query.tag, data.Err)
		return
	}
	s.end(ctx, conn, &s.batch, pgconn.CommandTag{}, data.Err)
}
