package handle

import (
	"context"

	"github.com/smrt-go/smrt"
)

// Scope is a transaction that is open under a context.
type Scope struct {
	Parent *Scope // the transaction around it, nil for none
	Root   any    // handle that the transaction was begun on, or nil if that is not known
	Also   any    // another handle of the same database, or nil
	Tx     any    // the transaction, for the package that began it
}

type scopeKey struct{}

// OfOneCall says that what callers share is in no transaction.
func (scopeKey) OfOneCall() {}

// WithScope returns a context inside s. A nil s takes the context out of all
// transactions.
func WithScope(ctx context.Context, s *Scope) context.Context {
	return context.WithValue(ctx, scopeKey{}, s)
}

// ScopeOf returns the innermost transaction that is open under ctx, or nil.
func ScopeOf(ctx context.Context) *Scope {
	s, _ := ctx.Value(scopeKey{}).(*Scope)
	return s
}

// Check is called before db is used under ctx. It returns smrt.ErrTxBypass if a
// transaction begun on db is open under ctx: what is sent on db itself would not
// be part of it. For a nil context it returns smrt.ErrNilContext. Outside of
// transactions it costs one look into the context and no memory.
func Check(ctx context.Context, db smrt.DB) error {
	if ctx == nil {
		return smrt.ErrNilContext
	}
	if s := ScopeOf(ctx); s != nil && s.Find(db) != nil {
		return smrt.ErrTxBypass
	}
	return nil
}

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
