package plan

import (
	"unsafe"

	"github.com/smrt-go/smrt/internal/meta"
)

// Face is what a type of package query has for the packages of this module:
// one method, which returns what the type holds. A face holds a V and nothing
// else, so that one can be seen as the other without copying.
//
//	query.Table       *Table
//	query.Expr        *meta.Column (in an Expression; a query.Column is one too)
//	query.KeyPart     meta.KeyPart
//	query.Query       *Spec
//	query.Predicate   Node
//	query.Order       meta.Order
//	query.Assignment  Set
//	query.Conflict    *Conflict
//
// What Plan returns is shared and must not be changed.
type Face[V any] interface{ Plan() V }

// As returns v as the face F. F must hold nothing but a V; a test of package
// repo compares their layouts.
func As[F Face[V], V any](v V) F { return *(*F)(unsafe.Pointer(&v)) }

// AsExpr returns e as a query.Expr, which holds nothing but an Expression; the
// same test compares them.
func AsExpr[F Face[*meta.Column]](e Expression) F { return *(*F)(unsafe.Pointer(&e)) }

// All returns what faces hold, in the same memory. F must hold nothing but a
// V, as for [As].
func All[F Face[V], V any](faces []F) []V { return *(*[]V)(unsafe.Pointer(&faces)) }
