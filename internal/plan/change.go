package plan

import (
	"cmp"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// The changes to a query. Each returns a new Spec and leaves the old as it
// was; a nil Spec is the query for all rows. They are here, and not in the
// generic Query, so that a program has them once and not once for each entity.

// nothing is what a nil Spec means. It is never changed.
var nothing Spec

// OrEmpty returns s, or the query for all rows if s is nil.
func (s *Spec) OrEmpty() *Spec {
	if s == nil {
		return &nothing
	}
	return s
}

// Clone returns a copy of s to which conditions and orders can be appended
// without touching s.
func (s *Spec) Clone() *Spec {
	c := *s.OrEmpty()
	c.Where = slices.Clip(c.Where)
	c.Order = slices.Clip(c.Order)
	return &c
}

// And adds conditions.
func (s *Spec) And(nodes []Node) *Spec {
	c := s.Clone()
	c.Where = append(c.Where, nodes...)
	return c
}

// OrderBy sets the order. It is small enough to be part of its callers, and so are And
// and WithLimit: of a query that is made in one expression, the Spec of the last step
// alone is on the heap.
func (s *Spec) OrderBy(order []meta.Order) *Spec {
	c := *s.OrEmpty()
	c.setOrder(order)
	return &c
}

func (s *Spec) setOrder(order []meta.Order) {
	s.Order, s.Unordered = slices.Clone(order), len(order) == 0
}

// WithLimit sets the limit.
func (s *Spec) WithLimit(n int) *Spec {
	c := *s.OrEmpty()
	c.Limit, c.HasLimit = int64(n), true
	return &c
}

// AtMost lowers the limit to n, or sets it. What is wrong with it stays so.
func (s *Spec) AtMost(n int) *Spec {
	if s.OrEmpty().HasLimit && s.Limit <= int64(n) {
		return s
	}
	return s.WithLimit(n)
}

// WithOffset sets the offset.
func (s *Spec) WithOffset(n int) *Spec {
	c := s.Clone()
	c.Offset, c.HasOffset = int64(n), true
	return c
}

// WithLock sets the row lock.
func (s *Spec) WithLock(l Lock, w Wait) *Spec {
	c := s.Clone()
	c.Lock, c.Wait = l, w
	if l > ForUpdate || w > SkipLocked {
		c.Err = &smrt.QueryError{Reason: "Lock takes the constants of package query only"}
	}
	return c
}

// WithDeleted sets which rows of a soft-deleted table are meant.
func (s *Spec) WithDeleted(d Deleted) *Spec {
	c := s.Clone()
	c.Deleted = d
	return c
}

// WithUnbounded allows writes to every row.
func (s *Spec) WithUnbounded() *Spec {
	c := s.Clone()
	c.Unbounded = true
	return c
}

// WithComment sets the comment in front of the statement, if there is one.
func (s *Spec) WithComment(text string) *Spec {
	c := s.Clone()
	c.Comment = cmp.Or(text, c.Comment)
	return c
}

// WithHint sets the hint in front of the statement, if there is one.
func (s *Spec) WithHint(text string) *Spec {
	c := s.Clone()
	c.Hint = cmp.Or(text, c.Hint)
	return c
}

// WithExecMode sets pgx's exec mode.
func (s *Spec) WithExecMode(mode pgx.QueryExecMode) *Spec {
	c := s.Clone()
	c.Mode = mode
	if mode == pgx.QueryExecModeSimpleProtocol {
		c.Err = &smrt.QueryError{Reason: "the simple protocol puts arguments into the SQL text and is never used: choose pgx.QueryExecModeExec"}
	}
	return c
}
