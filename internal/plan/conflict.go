package plan

import "github.com/smrt-go/smrt/internal/meta"

// Conflict says what an upsert does about rows that exist. Like a Spec it is
// never changed: its methods return new ones. A nil Conflict has no target.
type Conflict struct {
	Target  []*meta.Column
	Where   string // predicate of a partial unique index
	Update  []*meta.Column
	Nothing bool
	Err     error
}

// OrEmpty returns x, or a conflict without a target if x is nil.
func (x *Conflict) OrEmpty() *Conflict {
	if x == nil {
		return &Conflict{}
	}
	return x
}

func (x *Conflict) clone() *Conflict {
	c := *x.OrEmpty()
	return &c
}

// WithWhere sets the predicate of the index.
func (x *Conflict) WithWhere(sql string) *Conflict {
	c := x.clone()
	c.Where, c.Err = sql, CheckFragment(sql)
	return c
}

// WithUpdate sets the columns that an existing row gets.
func (x *Conflict) WithUpdate(columns []*meta.Column) *Conflict {
	c := x.clone()
	c.Update = columns
	return c
}

// WithNothing leaves existing rows alone.
func (x *Conflict) WithNothing() *Conflict {
	c := x.clone()
	c.Nothing = true
	return c
}
