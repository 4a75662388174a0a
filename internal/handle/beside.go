package handle

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
)

// besideTime is how long a question about a failed transaction may take.
const besideTime = time.Second

// Beside lets ask use another connection of the pool that the transaction of ctx
// was begun on, if one is free: a transaction that has failed answers nothing, not
// even what a constraint is about. It reports whether ask was called.
func Beside(ctx context.Context, ask func(ctx context.Context, db smrt.DB)) bool {
	s := ScopeOf(ctx)
	if s == nil {
		return false
	}
	p, ok := Root(s.Root).(smrt.Pool)
	if !ok || !hasRoom(p) {
		return false
	}
	ctx, cancel := context.WithTimeout(WithScope(ctx, nil), besideTime)
	defer cancel()
	ask(ctx, p)
	return true
}

// hasRoom reports whether p may have a connection to lend.
func hasRoom(p any) bool {
	p = kin(p)
	if below, ok := p.(interface{ Pgx() *pgxpool.Pool }); ok {
		p = below.Pgx()
	}
	if p, ok := p.(*pgxpool.Pool); ok {
		stat := p.Stat()
		return stat.AcquiredConns()+stat.ConstructingConns() < stat.MaxConns()
	}
	return false
}
