package plan

import "unsafe"

// Face is what a type of package query has for the packages of this module:
// one method, which returns what the type holds. A face holds a V and nothing
// else, so that one can be seen as the other without copying.
//
//	query.Table       *Table
//	query.Column      *meta.Column (next to one for the elements of lists)
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

// All returns what faces hold, in the same memory. F must hold nothing but a
// V, as for [As].
func All[F Face[V], V any](faces []F) []V { return *(*[]V)(unsafe.Pointer(&faces)) }
