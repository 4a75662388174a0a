package cached

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

// Cares reports whether a cache has to be told of a write of a table.
func Cares(table string, does Event) bool {
	r := registered.now.Load()
	if r == nil {
		return false
	}
	for _, c := range r.told {
		if c.Cares(table, does) {
			return true
		}
	}
	return false
}

// ByKey reports whether a cache makes void less of a declared table if it is told which
// rows a write has changed.
func ByKey(decl any, does Event) bool {
	r := registered.now.Load()
	return r != nil && slices.ContainsFunc(r.told, func(c Cache) bool { return c.ByKey(decl, does) })
}

// touched is what a write touches in one cache.
type touched struct {
	cache Cache
	words []*Word
}

// touch finds what changes touch.
func touch(changes []Change) (all []touched) {
	r := registered.now.Load()
	if r == nil {
		return nil
	}
	for _, c := range r.told {
		var words []*Word
		for _, what := range changes {
			words = c.Touched(words, what)
		}
		if len(words) > 0 {
			slices.SortFunc(words, func(a, b *Word) int { return cmp.Compare(uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(b))) })
			all = append(all, touched{c, slices.Compact(words)}) // so that there are not more blocks than writes
		}
	}
	return all
}

func changed(all []touched) {
	for _, t := range all {
		for _, w := range t.words {
			w.Change()
		}
	}
}

func block(all []touched, xid string, open bool) {
	for _, t := range all {
		for _, w := range t.words {
			w.block()
		}
		t.cache.Watch(t.words, xid, open)
	}
}

// Unblock is for a cache that was told to watch, when the transaction has ended.
func Unblock(words []*Word) {
	for _, w := range words {
		w.unblock()
	}
}

// Tell tells the caches of what a call wrote on db under ctx. It is called when the
// call has ended, with its error, and before it returns. What follows depends on who
// knows how the write ends:
//
//	in a transaction that package     the words change when it is committed, before
//	txn began                         any other hook; not at all if it is rolled back,
//	                                  with its savepoint or as a whole; they are
//	                                  blocked if nobody knows
//	in one that was begun by hand     they are blocked at once, until the server says
//	                                  that the transaction has ended
//	in one that was adopted           the same; they change as well when its end is told
//	in a round trip of a pipeline     as in the transaction that it is in; on a pool when
//	                                  the round trip has ended
//	outside of transactions           they change now; they are blocked if the
//	                                  connection was lost meanwhile
//
// A call that failed may have written all the same: what it read back did not fit its
// entity, for example. So its words change too, which costs a read, and no more.
func Tell(ctx context.Context, db smrt.DB, err error, changes ...Change) {
	all := touch(changes)
	if len(all) == 0 {
		return
	}
	u := handle.UndoerOf(ctx, db)
	if u != nil {
		told := u.OnUndo(&write{all: all})
		knows, ok := u.(handle.Knower)
		switch {
		case ok && !knows.Knows():
			byHand(ctx, db, u, all)
		case !told: // it has ended, and its COMMIT may be under way
			block(all, "", false)
		}
		return
	}
	conn, pool := below(handle.Root(db))
	switch {
	case conn != nil && conn.IsClosed(), InDoubt(err): // in no transaction any more, unless nothing was sent
		block(all, "", false)
	case !pool && (conn == nil || conn.PgConn().TxStatus() != handle.StatusIdle):
		byHand(ctx, db, nil, all)
	default:
		changed(all)
	}
}

// below returns the connection that a handle is, and whether it is a pool. A
// transaction is neither, nor is what nobody knows.
func below(db any) (conn *pgx.Conn, pool bool) {
	switch h := db.(type) {
	case smrt.Pool:
		return nil, true
	case *pgx.Conn:
		return h, false
	case pgx.Tx:
	case interface{ Conn() *pgx.Conn }:
		return h.Conn(), false
	}
	return nil, false
}

// InDoubt reports whether a statement that ended with err, outside of transactions, may
// still take effect.
func InDoubt(err error) bool {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return false
	case errors.Is(err, smrt.ErrCommitUnknown):
		return true
	case errors.As(err, &pg):
		return pgerr.IsCommitUnknown(err)
	}
	switch pgerr.FaultOf(err) {
	case pgerr.Lost, pgerr.Ended:
		return true
	}
	return pgconn.Timeout(err)
}

// write is what waits for the end of a transaction.
type write struct {
	all    []touched
	undone bool
	doubt  bool
}

var (
	_ handle.Undo    = (*write)(nil)
	_ handle.Doubter = (*write)(nil)
)

// Undo is called when the write was rolled back.
func (w *write) Undo() { w.undone = true }

// Doubt is called when nobody knows.
func (w *write) Doubt() { w.doubt = true }

// Forget is called at the end.
func (w *write) Forget() {
	switch {
	case w.doubt:
		block(w.all, "", false)
	case w.undone:
	default:
		changed(w.all)
	}
	w.all = nil
}

// askTime is how long the question for a transaction's id may take.
const askTime = 5 * time.Second

const xidSQL = "SELECT pg_current_xact_id_if_assigned()::text"

// byHand is Tell for a transaction whose end nobody tells. Words are blocked before the
// caller can commit, because the call has not returned.
func byHand(ctx context.Context, db smrt.DB, u handle.Undoer, all []touched) {
	if on, ok := u.(smrt.DB); ok {
		db = on
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	defer cancel()
	var xid *string
	err := db.QueryRow(ctx, traced.Pass(xidSQL, "", "identity")).Scan(&xid)
	switch {
	case err == nil && xid != nil:
		block(all, *xid, true)
	case err == nil: // nothing was written, or it was outside of transactions after all
		changed(all)
	case pgerr.IsTxAborted(err): // as a whole, or up to a savepoint before the write
		changed(all)
	case isGone(db): // and with it what was not committed
		changed(all)
	default: // the transaction may be open, for as long as it likes
		block(all, "", true)
	}
}

func isGone(db smrt.DB) bool {
	h, ok := db.(interface{ Conn() *pgx.Conn })
	if !ok {
		return false
	}
	conn := h.Conn()
	return conn == nil || conn.IsClosed()
}
