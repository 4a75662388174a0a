package unit

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/table"
)

// Caches are told what a unit has written when its statements have run: of one that
// is sent with its COMMIT when that is answered, and of one in a transaction when that
// ends.

// tellAlone tells of ops that were sent with their COMMIT. What the server has refused
// was not written.
func tellAlone(ctx context.Context, db smrt.DB, ops []*op, err error) {
	var committed *CommittedError
	switch {
	case errors.As(err, &committed):
		err = nil
	case err != nil && !errors.Is(err, smrt.ErrCommitUnknown) && pgerr.IsOfServer(err) && !pgerr.IsCommitUnknown(err):
		return
	}
	cached.Tell(ctx, db, err, changesOf(ops, err == nil && committed == nil)...)
}

// telling returns what tells of the ops that the unit has now, when they were sent in
// a transaction.
func (u *work) telling(ctx context.Context, tx pgx.Tx, err *error) (tell func()) {
	if !cached.Any() {
		return func() {}
	}
	ops := slices.Clone(u.ops)
	return func() { tellIn(ctx, tx, ops, *err) }
}

// tellIn tells of ops that were sent in a transaction.
func tellIn(ctx context.Context, tx pgx.Tx, ops []*op, err error) {
	cached.Tell(ctx, tx, err, changesOf(ops, err == nil)...)
}

// changesOf returns what ops write. Rows that were created have keys if the entities
// have them.
func changesOf(ops []*op, keyed bool) (changes []cached.Change) {
	type group struct {
		table *table.Table
		does  cached.Event
	}
	rows := map[group]int{}
	for _, o := range ops {
		if o.table == nil || o.none() {
			continue
		}
		does := o.does()
		if !cached.Cares(o.table.Name, does) {
			continue
		}
		c := o.change(does, keyed)
		g := group{o.table, does}
		at, ok := rows[g]
		if !ok {
			rows[g] = len(changes)
			changes = append(changes, c)
			continue
		}
		known := &changes[at]
		switch {
		case known.Keys == nil: // all rows already
		case c.Keys == nil || len(known.Keys)+len(c.Keys) > cached.MaxKeys:
			known.Keys = nil
		default:
			known.Keys = append(known.Keys, c.Keys...)
		}
	}
	return changes
}

// does returns what the write does to rows.
func (o *op) does() cached.Event {
	switch o.kind {
	case creates:
		return cached.Create
	case deletes:
		if o.hard || o.table.SoftDelete == nil {
			return cached.Delete
		}
	case deletesWhere:
		return cached.Update | cached.Delete
	}
	return cached.Update
}

func (o *op) change(does cached.Event, keyed bool) cached.Change {
	switch {
	case o.where != nil || does == cached.Create && !keyed:
		return o.table.Change(does, nil, table.Rows{})
	case o.entity != nil:
		return o.table.Change(does, o.table.KeyColumns(), o.table.Entities(o.entity, 1))
	case o.key != nil:
		return o.table.Change(does, o.table.KeyParts, o.table.Keys(o.key, 1))
	}
	return o.table.Change(does, nil, table.Rows{})
}
