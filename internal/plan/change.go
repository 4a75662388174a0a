package plan

import (
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

// OrderBy sets the order.
func (s *Spec) OrderBy(order []meta.Order) *Spec {
	c := s.Clone()
	c.Order, c.Unordered = slices.Clone(order), len(order) == 0
	return c
}

// AtMost sets the limit.
func (s *Spec) AtMost(n int) *Spec {
	c := s.Clone()
	c.Limit, c.HasLimit = int64(n), true
	return c
}

// Skip sets the offset.
func (s *Spec) Skip(n int) *Spec {
	c := s.Clone()
	c.Offset, c.HasOffset = int64(n), true
	return c
}

// Locked sets the row lock.
func (s *Spec) Locked(l Lock, w Wait) *Spec {
	c := s.Clone()
	c.Lock, c.Wait = l, w
	if l > ForUpdate || w > SkipLocked {
		c.Err = &smrt.QueryError{Reason: "Lock takes the constants of package query only"}
	}
	return c
}

// OfDeleted says which rows of a soft-deleted table are meant.
func (s *Spec) OfDeleted(d Deleted) *Spec {
	c := s.Clone()
	c.Deleted = d
	return c
}

// Boundless allows writes to every row.
func (s *Spec) Boundless() *Spec {
	c := s.Clone()
	c.Unbounded = true
	return c
}

// Headed sets the comment and the hint in front of the statement.
func (s *Spec) Headed(comment, hint string) *Spec {
	c := s.Clone()
	if comment != "" {
		c.Comment = comment
	}
	if hint != "" {
		c.Hint = hint
	}
	return c
}

// InMode sets pgx's exec mode.
func (s *Spec) InMode(mode pgx.QueryExecMode) *Spec {
	c := s.Clone()
	c.Mode = mode
	if mode == pgx.QueryExecModeSimpleProtocol {
		c.Err = &smrt.QueryError{Reason: "the simple protocol puts arguments into the SQL text and is never used: choose pgx.QueryExecModeExec"}
	}
	return c
}
