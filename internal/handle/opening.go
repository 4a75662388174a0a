package handle

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
)

// Opener is a handle on which transactions begin with a statement of its own, such as
// the setting that row security reads. It lends no connections: what is sent on one
// would be without.
type Opener interface {
	// Opening returns the pool whose connections a transaction under ctx may use, and
	// the statement that must follow its BEGIN.
	Opening(ctx context.Context) (on smrt.Pool, first Opening, err error)
}

// Opening is a statement that follows BEGIN. The zero Opening is none.
type Opening struct {
	SQL  string
	Args []any
}

// Queue adds the statement to a batch that begins a transaction.
func (o Opening) Queue(b *pgx.Batch) {
	if o.SQL != "" {
		b.Queue(o.SQL, o.Args...)
	}
}

// OpenerOf returns the Opener that db is, or nil.
func OpenerOf(db any) Opener {
	o, _ := traits(db).(Opener)
	return o
}

// Openly returns the handle to begin a transaction on, and what must follow BEGIN on
// it. For most that is db, and nothing.
func Openly(ctx context.Context, db smrt.DB) (on smrt.DB, first Opening, err error) {
	if o := OpenerOf(db); o != nil {
		return o.Opening(ctx)
	}
	return db, Opening{}, nil
}
