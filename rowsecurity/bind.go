package rowsecurity

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/traced"
)

// Options say how the server is told the tenant.
type Options struct {
	// Setting is the parameter that the policies read, such as "app.tenant". It must
	// have a dot: PostgreSQL keeps names without one for itself.
	Setting string
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$`)

// DB is a pool on which every statement runs with the tenant of its context as a
// setting of its transaction. It goes wherever the pool goes. It is safe for concurrent
// use.
//
// Under a context without a tenant its methods return smrt.ErrNoTenant, and under that
// of smrt.AllTenants a *[smrt.RowSecurityError]; nothing is sent then.
type DB struct {
	pool    smrt.Pool
	begin   beginner
	setting string
	set     string // the statement that makes the setting
	both    string // and the one that also says how long the server may work
	names   [2]*traced.Text
	checked atomic.Bool
}

var _ smrt.Pool = (*DB)(nil)

// beginner is what a pool must be able to do besides. What it begins is wrapped, so that
// each call in it is compared with the tenant.
type beginner interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// Bind returns a handle on which the policies of PostgreSQL's row security know the
// tenant of the context:
//
//	db, err := rowsecurity.Bind(pool, rowsecurity.Options{Setting: "app.tenant"})
//
// The handle is made of a pool, a *pgxpool.Pool or a *pool.Pool. Limits go around it:
// guard.On(db, limits). The error, smrt.ErrBadOptions, is about the arguments; nothing
// is sent. The role of the pool is looked at by [DB.Check].
func Bind(pool smrt.Pool, o Options) (*DB, error) {
	begin, _ := pool.(beginner)
	switch {
	case !settingName.MatchString(o.Setting):
		return nil, &smrt.OptionsError{Option: "Setting", Reason: fmt.Sprintf(
			"is %q: it must be a name with a dot, such as app.tenant, of ASCII letters, digits and underscores", o.Setting)}
	case handle.IsNil(pool):
		return nil, &smrt.OptionsError{Option: "pool", Reason: "must not be nil: look at the error of whatever opened it"}
	case handle.Root(pool) != any(pool) || handle.OpenerOf(pool) != nil:
		return nil, &smrt.OptionsError{Option: "pool", Reason: fmt.Sprintf(
			"is a %T, which stands for another handle: bind the pool, and put other handles around what Bind returns", pool)}
	case begin == nil || handle.RouterOf(pool) != nil:
		return nil, &smrt.OptionsError{Option: "pool", Reason: fmt.Sprintf("is a %T: it must be a *pgxpool.Pool or a *pool.Pool", pool)}
	}
	set := traced.TenantText + o.Setting + "', $1, true)"
	both := set + serverTime
	return &DB{pool: pool, begin: begin, setting: o.Setting, set: set, both: both, names: [2]*traced.Text{traced.KeepTenant(set), traced.KeepTenant(both)}}, nil
}

// Acquire returns smrt.ErrBadOptions: what is sent on a connection would be without
// the tenant. Begin a transaction instead.
func (d *DB) Acquire(context.Context) (*pgxpool.Conn, error) {
	return nil, &smrt.OptionsError{Option: "db", Reason: "is bound to row security, and lends no connections, " +
		"on which the server would not know the tenant: begin a transaction, or use the pool that was bound"}
}

// Traits is for the other packages of smrt.
func (d *DB) Traits() any { return traits{d} }

// traits are what the handle says to engines. It stands for no other handle: they would
// send on that.
type traits struct{ d *DB }

// Kin returns the pool: what is sent on it during a transaction goes past that.
func (t traits) Kin() any { return t.d.pool }

// Reset lets the pool forget its connections.
func (t traits) Reset() { handle.Reset(t.d.pool) }

// Sharing reports that statements are shared by callers of one tenant only.
func (t traits) Sharing() (all bool, caller func(context.Context) any) {
	return false, func(ctx context.Context) any { return smrt.TenantOf(ctx).ID }
}

// Opening returns the pool, and the setting.
func (t traits) Opening(ctx context.Context) (smrt.Pool, handle.Opening, error) {
	tenant, err := t.d.enter(ctx)
	if err != nil {
		return nil, handle.Opening{}, err
	}
	return t.d.pool, t.d.opening(tenant), nil
}

// serverTime sets statement_timeout to so many milliseconds, unless the session has a
// stricter one.
const serverTime = `, pg_catalog.set_config('statement_timeout', CASE
	WHEN pg_catalog.current_setting('statement_timeout') = '0' THEN $2::text
	WHEN pg_catalog.current_setting('statement_timeout')::interval <= ($2::text || ' ms')::interval THEN pg_catalog.current_setting('statement_timeout')
	ELSE $2::text END, true)`

// front is what travels in front of a statement outside of a transaction: one statement,
// with a limit of time too.
func (d *DB) front(ctx context.Context, tenant tenant) handle.Opening {
	most := limit.Of(ctx).OnServer().Milliseconds()
	if most == 0 {
		return d.opening(tenant)
	}
	return handle.Opening{SQL: d.both, Args: []any{tenant.text, strconv.FormatInt(most, 10)}}
}

func (d *DB) opening(tenant tenant) handle.Opening {
	return handle.Opening{SQL: d.set, Args: []any{tenant.text}}
}

// enter returns the tenant of ctx. The first time it looks at
// the role.
func (d *DB) enter(ctx context.Context) (tenant, error) {
	t, err := tenantOf(ctx)
	if err != nil || d.checked.Load() {
		return t, err
	}
	return t, d.Check(ctx)
}
