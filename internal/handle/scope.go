// Package scope lets a context say which transaction its holder is in. It is a
// package of its own because whoever begins transactions and whoever only uses
// handles must not know each other.
package handle

import (
	"context"
	"reflect"

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

// Check is called before db is used under ctx. It answers smrt.ErrTxBypass if a
// transaction begun on db is open under ctx: what is sent on db itself would
// not be part of it. A nil context answers smrt.ErrNilContext. Outside of
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

// kin returns what a handle says it belongs together with, by a method Kin:
// handles of one database that are not faces of one another, because what is
// sent on them goes different ways.
func kin(db any) any {
	if k, ok := db.(interface{ Kin() any }); ok {
		return k.Kin()
	}
	return db
}

// Root returns the handle that db is a face of: whoever wraps a handle says so
// with a method Unwrap.
func Root(db any) any {
	for range maxFaces {
		w, ok := db.(interface{ Unwrap() smrt.DB })
		if !ok {
			break
		}
		db = w.Unwrap()
	}
	return db
}

// maxFaces bounds a chain of handles, which by mistake may be a ring.
const maxFaces = 16

// same compares handles. Those that cannot be compared are never the same:
// == would panic.
func same(a, b any) bool {
	if a == nil || b == nil {
		return false
	}
	t := reflect.TypeOf(a)
	if t != reflect.TypeOf(b) {
		return false
	}
	return (t.Kind() == reflect.Pointer || reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable()) && a == b
}
