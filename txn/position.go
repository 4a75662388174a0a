package txn

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/wal"
)

// To read the position of a commit in the round trip of COMMIT, the transaction must
// be on a connection that is at hand (beginOn, own); its commit is then that of
// package wal (sendCommit). Where that is not possible it is asked for afterwards
// (askPosition), which may find a later position, and covers the commit all the
// same. Once it is known, reportPosition passes it on, before the hooks run.

// lent is a connection of a pool.
type lent interface {
	Conn() *pgx.Conn
	Release()
}

// owned is a transaction on a connection that is at hand. That of a pool cannot
// be told that it was committed otherwise than by its own Commit.
type owned struct {
	pgx.Tx
	conn    lent // nil if it is the caller's, who keeps it
	objects bool // large objects were handed out
}

func (t *owned) release() {
	if t.conn != nil {
		t.conn.Release()
	}
}

// CommitPosition is one round trip. But who has large objects could use them
// afterwards, as only Commit closes them; that is a rare case, and worth another.
func (t *owned) CommitPosition(ctx context.Context) (p smrt.Position, err error) {
	defer t.release()
	conn := t.Conn()
	if !t.objects {
		return wal.Commit(ctx, conn)
	}
	if err := t.Tx.Commit(ctx); err != nil {
		return p, err
	}
	p, _ = wal.Now(ctx, conn) // zero if it cannot be read: it is committed
	return p, nil
}

func (t *owned) Rollback(ctx context.Context) error {
	defer t.release()
	return t.Tx.Rollback(ctx)
}

func (t *owned) LargeObjects() pgx.LargeObjects {
	t.objects = true
	return t.Tx.LargeObjects()
}

// beginOn returns what an attempt is begun on. If the position of the commit is
// wanted that is a connection, and own what is to stand for the transaction on
// it; but a handle that lends none may begin transactions that tell by themselves.
func (r *run) beginOn(ctx context.Context) (db Beginner, own *owned, err error) {
	if !r.wantsPosition || handle.OpenerOf(r.db) != nil { // which lends no connection
		return r.db, nil, nil
	}
	switch db := r.db.(type) {
	case smrt.Pool:
		conn, err := db.Acquire(ctx)
		if err != nil {
			return nil, nil, err
		}
		return conn, &owned{conn: conn}, nil
	case connected, lent:
		return r.db, &owned{}, nil
	}
	return r.db, nil, nil
}

// own puts own in the place of a transaction that was begun, and gives the
// connection back if none was.
func (a *attempt) own(own *owned) {
	if own == nil {
		return
	}
	if a.tx == nil {
		own.release()
	} else if _, ok := a.tx.(handle.PositionTx); !ok {
		own.Tx = a.tx
		a.tx = own
	}
}

// sendCommit sends COMMIT and waits for its reply.
func (r *run) sendCommit(ctx context.Context, a *attempt) (smrt.Position, error) {
	ctx, stop := a.limit(ctx)
	defer stop.Off()
	if tx, ok := a.tx.(handle.PositionTx); ok && r.wantsPosition {
		return tx.CommitPosition(ctx)
	}
	return smrt.Position{}, a.tx.Commit(ctx)
}

// askPosition reads the position of a commit from a handle that could not return
// it together with the reply to COMMIT.
func (r *run) askPosition(ctx context.Context, a *attempt) (p smrt.Position) {
	db, ok := r.db.(smrt.DB)
	if _, told := a.tx.(handle.PositionTx); told || !ok {
		return p
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.options.commitTimeout())
	defer cancel()
	p, _ = wal.Now(ctx, db)
	return p
}

// reportPosition reports the position of a commit that is known to have happened.
func (r *run) reportPosition(p smrt.Position) {
	if r.result != nil {
		r.result.Position = p
	}
	if r.keepPosition != nil {
		r.keepPosition(p)
	}
}
