package handle

import (
	"context"
	"reflect"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
)

// Scope is a transaction that is open under a context.
type Scope struct {
	Parent *Scope // the transaction around it, nil for none
	Root   any    // handle that the transaction was begun on, or nil if that is not known
	Also   any    // another handle of the same database, or nil
	Tx     any    // the transaction, for the package that began it

	Attempt int // at the transaction, from 1; 0 if that is not known

	tenant smrt.Tenant // that it was begun under, see WithScope
}

type scopeKey struct{}

// OfOneCall says that what callers share is in no transaction.
func (scopeKey) OfOneCall() {}

// WithScope returns a context inside s. A nil s takes the context out of all
// transactions. The tenant of ctx is that of the transaction, unless one around it has
// another.
func WithScope(ctx context.Context, s *Scope) context.Context {
	if s != nil && s.tenant == (smrt.Tenant{}) { // of a nested one it is there already
		s.tenant = smrt.TenantOf(ctx)
		if s.Parent != nil && s.Parent.tenant != (smrt.Tenant{}) {
			s.tenant = s.Parent.tenant
		}
	}
	return context.WithValue(ctx, scopeKey{}, s)
}

// ScopeOf returns the innermost transaction that is open under ctx, or nil.
func ScopeOf(ctx context.Context) *Scope {
	s, _ := ctx.Value(scopeKey{}).(*Scope)
	return s
}

// CheckTenant returns a *smrt.TenantError if ctx is of a transaction that was begun
// under another tenant, or for all. One that was begun under none may have any.
func CheckTenant(ctx context.Context) error {
	s := ScopeOf(ctx)
	if s != nil && s.tenant != (smrt.Tenant{}) && !SameTenant(smrt.TenantOf(ctx), s.tenant) {
		return &smrt.TenantError{Row: -1, What: "transaction", Err: smrt.ErrTenantMismatch}
	}
	return nil
}

// Check is called before db is used under ctx. It returns smrt.ErrTxBypass if a
// transaction begun on db is open under ctx: what is sent on db itself would not
// be part of it. A transaction is never beside itself: db may be the one that was
// adopted. It returns smrt.ErrTxConcurrentUse if a result is open on the one
// connection that db is or has: pgx would refuse in the words of its mode, and in
// some break the result. On a transaction it does what [CheckTenant] does. A nil context is smrt.ErrNilContext, a nil handle
// smrt.ErrBadOptions. Outside of transactions it costs one look into the context
// and no memory.
func Check(ctx context.Context, db smrt.DB) error {
	if ctx == nil {
		return smrt.ErrNilContext
	}
	if IsNil(db) {
		return errNilHandle
	}
	if s := ScopeOf(ctx); s != nil && s.Find(db) != nil {
		if _, ok := Root(db).(pgx.Tx); !ok {
			return smrt.ErrTxBypass
		}
	}
	if _, ok := db.(pgx.Tx); ok {
		if err := CheckTenant(ctx); err != nil {
			return err
		}
	}
	if isBusy(db) {
		return smrt.ErrTxConcurrentUse
	}
	return nil
}

// IsNil reports whether db is nil, or a nil pointer in an interface.
func IsNil(db any) bool {
	v := reflect.ValueOf(db)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

// errNilHandle refuses a nil handle, and a nil pointer in an interface, which is
// what becomes of a pool that could not be opened.
var errNilHandle = &smrt.OptionsError{Option: "db", Reason: "must not be nil: look at the error of whatever opened it"}

// Find returns the innermost transaction begun on db, or nil.
func (s *Scope) Find(db any) *Scope {
	root := kin(Root(db))
	for ; s != nil; s = s.Parent {
		if same(kin(s.Root), root) || same(s.Also, root) {
			return s
		}
	}
	return nil
}

// isBusy reports whether a result is open on the connection that db is or has. A
// transaction of package txn keeps count of that itself, for goroutines too.
func isBusy(db smrt.DB) bool {
	var conn *pgx.Conn
	switch h := db.(type) {
	case *pgx.Conn:
		conn = h
	case Undoer:
	case pgx.Tx: // not *pgxpool.Conn, which panics once it was given back
		conn = h.Conn()
	}
	return conn != nil && conn.PgConn() != nil && !conn.IsClosed() && conn.PgConn().IsBusy()
}
