package plan

import (
	"cmp"
	"slices"

	sq "github.com/Masterminds/squirrel"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// Conflict says what an upsert does about rows that exist. Like a Spec it is
// never changed: its methods return new ones. A nil Conflict has no target.
type Conflict struct {
	Target  []*meta.Column
	Where   string // predicate of a partial unique index
	Update  []*meta.Column
	Nothing bool
	Err     error

	Sets    []Set          // of an existing row, besides Update
	If      *Node          // condition on the existing row
	Offered []*meta.Column // that Sets and If have of the row that could not be inserted
	Shape   string         // of Sets and If
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
	c.Where, c.Err = sql, cmp.Or(c.Err, CheckFragment(sql))
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

// WithSets adds assignments to an existing row.
func (x *Conflict) WithSets(sets []Set) *Conflict {
	c := x.clone()
	c.Sets = append(slices.Clip(c.Sets), sets...)
	if len(sets) == 0 {
		c.Err = cmp.Or(c.Err, errNoSets)
	}
	return c.described()
}

// WithIf adds a condition on which an existing row is updated.
func (x *Conflict) WithIf(n Node) *Conflict {
	c := x.clone()
	if c.If != nil {
		n = Node{Op: And, Kids: []Node{*c.If, n}}
	}
	c.If = &n
	return c.described()
}

// described sets what c tells of its expressions.
func (x *Conflict) described() *Conflict {
	b := builder{offered: &[]*meta.Column{}}
	for i := range x.Sets {
		b.set(&x.Sets[i])
	}
	if x.If != nil {
		b.byte('w')
		b.node(x.If)
	}
	if len(b.args) > 0 {
		b.fail(errConflictValue)
	}
	if len(b.owned) > 0 {
		b.fail(errConflictTenant)
	}
	x.Shape, x.Offered, x.Err = string(b.key), *b.offered, cmp.Or(x.Err, b.err)
	return x
}

var (
	errNoSets         error = &smrt.QueryError{Reason: "Set of OnConflict needs at least one assignment"}
	errConflictTenant error = &smrt.QueryError{Reason: "Set and UpdateIf of OnConflict cannot look at rows of tables with tenants"}
	errConflictValue  error = &smrt.QueryError{
		Reason: "Set and UpdateIf of OnConflict take no values: put the value into the entity and use Excluded of its column, or write a constant into the text of SQL or Raw",
	}
)

// UpdateSQL returns the assignments and the condition of x, which may be empty, in
// an upsert of rows of t, where the row that exists is called t. offered returns
// the value of a column in the row that could not be inserted.
func (x *Conflict) UpdateSQL(t *Table, offered func(*meta.Column) string) (sets []string, condition string, err error) {
	w := &renderer{scope: scope{alias: "t"}, offered: offered}
	text := func(e sq.Sqlizer) string {
		sql, _, failed := e.ToSql()
		err = cmp.Or(err, w.err, failed)
		sql, _ = placed(sql, nil)
		return sql
	}
	for i := range x.Sets {
		sets = append(sets, x.Sets[i].Column.Quoted+" = "+text(w.set(t, &x.Sets[i])))
	}
	if x.If != nil {
		condition = text(w.node(x.If))
	}
	return sets, condition, err
}

// offer notes a column of the row that an upsert could not insert.
func (b *builder) offer(c *meta.Column) {
	if b.offered == nil || b.table != nil {
		b.fail(&smrt.QueryError{Reason: "Excluded(" + c.Name + ") has a meaning only in Set and UpdateIf of OnConflict, outside of subqueries"})
		return
	}
	*b.offered = append(*b.offered, c)
}
