package handle_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/handle"
)

// face is a handle that stands for another.
type face struct{ smrt.DB }

func (f face) Unwrap() smrt.DB { return f.DB }

// uncomparable is a handle that == panics on.
type uncomparable struct {
	smrt.DB
	_ []int
}

type ring struct{ smrt.DB }

func (r *ring) Unwrap() smrt.DB { return r }

// TestCheck proves which handles are refused under a transaction.
func TestCheck(t *testing.T) {
	a, b, c := &pgx.Conn{}, &pgx.Conn{}, &pgx.Conn{}
	outer := handle.WithScope(t.Context(), &handle.Scope{Root: a})
	inner := handle.WithScope(outer, &handle.Scope{Parent: handle.ScopeOf(outer), Root: b, Also: c})
	strange := uncomparable{DB: a}
	for what, x := range map[string]struct {
		ctx  context.Context
		db   smrt.DB
		want error
	}{
		"outside":            {t.Context(), a, nil},
		"root":               {outer, a, smrt.ErrTxBypass},
		"face of the root":   {outer, face{face{a}}, smrt.ErrTxBypass},
		"another handle":     {outer, b, nil},
		"inner root":         {inner, b, smrt.ErrTxBypass},
		"also":               {inner, c, smrt.ErrTxBypass},
		"root of the outer":  {inner, a, smrt.ErrTxBypass},
		"detached":           {handle.WithScope(inner, nil), a, nil},
		"cannot be compared": {handle.WithScope(t.Context(), &handle.Scope{Root: strange}), strange, nil},
		"face of itself":     {outer, &ring{}, nil},
		"no handle":          {outer, nil, smrt.ErrBadOptions},
		"nil pointer":        {outer, (*pgx.Conn)(nil), smrt.ErrBadOptions},
		"nil context":        {nil, a, smrt.ErrNilContext},
	} {
		if err := handle.Check(x.ctx, x.db); !errors.Is(err, x.want) {
			t.Errorf("%s: got %v, want %v", what, err, x.want)
		}
	}
}

// TestCheckCosts proves that a check outside of transactions takes no memory.
func TestCheckCosts(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var db smrt.DB = &pgx.Conn{}
	inside := handle.WithScope(ctx, &handle.Scope{Root: &pgx.Conn{}})
	for what, ctx := range map[string]context.Context{"outside": ctx, "inside": inside} {
		if n := testing.AllocsPerRun(100, func() { _ = handle.Check(ctx, db) }); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
}

// trait is a handle that says by another value what it is.
type trait struct {
	smrt.DB
	says any
}

func (t trait) Traits() any { return t.says }

type relative struct{ of any }

func (r relative) Kin() any { return r.of }

// TestTraits finds what a handle says in the value that it returns.
func TestTraits(t *testing.T) {
	conn := &pgx.Conn{}
	related := trait{says: relative{conn}}
	inside := handle.WithScope(t.Context(), &handle.Scope{Root: conn})
	check.Error(t, "relative", handle.Check(inside, related), smrt.ErrTxBypass)
	check.NoError(t, handle.Check(inside, trait{says: relative{&pgx.Conn{}}}))
	check.Same(t, "root", handle.Root(trait{says: face{conn}}), any(smrt.DB(conn)))
	check.Error(t, "write", handle.RefuseWrite(trait{says: reader{}}), smrt.ErrWriteOnReplica)
	check.Same(t, "routes", handle.RouterOf(trait{says: &router{tries: 3}}).Nodes(), 3)
	check.Same(t, "does not route", handle.RouterOf(conn), nil)
}
