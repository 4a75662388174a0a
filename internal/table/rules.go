package table

import (
	"slices"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Rules are checked before anything else of a value is, because nothing must be sent
// for them. Which of them a write checks depends on what it knows:
//
//	create    all, unless the database decides one of their columns
//	upsert    the same; but a zero of a column with a default is one that a row which exists gets
//	update    those of functions, and those of the columns that are written
//	patch     those of the columns that get a value or NULL
//
// A nil Rules checks nothing. That is how they are switched off.

// Rules are the rules of a table as its writes check them.
type Rules struct {
	table  *Table
	create []ruleCheck
	update []ruleCheck
}

// ruleCheck is a rule, and the columns that the database decides if they are zero.
type ruleCheck struct {
	meta.Test
	*meta.Rule
	left []*meta.Column
}

func newRules(t *Table) *Rules {
	r := &Rules{table: t}
	for _, rule := range t.Rules {
		c := ruleCheck{Test: rule.Test(), Rule: rule}
		if rule.Kind == meta.RuleFunc || slices.Contains(t.Mutable, rule.Columns[0]) {
			r.update = append(r.update, c)
		}
		for _, col := range rule.Columns {
			if col == t.CreatedAt || t.MadeByServer(col) || slices.Contains(t.Defaults, col) {
				c.left = append(c.left, col)
			}
		}
		r.create = append(r.create, c)
	}
	return r
}

// maxBrokenRows is of how many rows an error has the violations.
const maxBrokenRows = 100

// Violations collects what breaks rules in the rows of a call, or in the writes of a
// unit. Memory is taken only if there is something.
type Violations struct {
	err  *smrt.RuleError
	last int // row that was counted
}

// Err returns what was collected, nil for nothing.
func (v *Violations) Err() error {
	if v.err == nil {
		return nil
	}
	return v.err
}

// add notes that a row breaks a rule. Rows come one after the other.
func (v *Violations) add(t *Table, row int, r *meta.Rule) {
	if v.err == nil {
		v.err, v.last = &smrt.RuleError{}, -1
	}
	v.err.Total++
	if row != v.last {
		v.err.Rows++
		v.last = row
	}
	if v.err.Rows > maxBrokenRows {
		return
	}
	found := smrt.Violation{Row: row, Table: t.Name, Rule: r.Name, Limit: r.Limit}
	for _, col := range r.Columns {
		found.Columns = append(found.Columns, col.Name)
	}
	v.err.Violations = append(v.err.Violations, found)
}

// Create checks rows that are to be created.
func (r *Rules) Create(rows Rows) error {
	if r == nil {
		return nil
	}
	var v Violations
	r.rows(&v, rows, r.create)
	return v.Err()
}

// Upsert checks rows that are to be created or to update others.
func (r *Rules) Upsert(rows Rows, x *Conflict) error {
	if r == nil {
		return nil
	}
	var v Violations
	r.AssignTo(&v, 0, x.Sets)
	r.rows(&v, rows, r.upsert(x))
	return v.Err()
}

// Update checks rows that are to be written as a whole.
func (r *Rules) Update(rows Rows) error {
	if r == nil {
		return nil
	}
	var v Violations
	r.rows(&v, rows, r.update)
	return v.Err()
}

// Assign checks the assignments of an update that knows no entity.
func (r *Rules) Assign(sets []plan.Set) error {
	var v Violations
	r.AssignTo(&v, 0, sets)
	return v.Err()
}

func (r *Rules) rows(v *Violations, rows Rows, checks []ruleCheck) {
	if len(checks) == 0 {
		return
	}
	for i := range rows.N {
		r.row(v, i, rows.At(i), checks)
	}
}

// row checks the entity at p, which is the row with the given number. Few break a
// rule, so what the database decides is looked at afterwards.
func (r *Rules) row(v *Violations, row int, p unsafe.Pointer, checks []ruleCheck) {
	for i := range checks {
		if c := &checks[i]; c.BrokenBy(p) && !c.leftAt(p) {
			v.add(r.table, row, c.Rule)
		}
	}
}

// leftAt reports whether the database decides a column of the entity at p.
func (c *ruleCheck) leftAt(p unsafe.Pointer) bool {
	return slices.ContainsFunc(c.left, func(col *meta.Column) bool { return col.Zero(p) })
}

// upsert returns the checks of an upsert. A zero of a column with a default that
// also goes to a row that exists is no default there. Of a text with a type of its
// own an empty one says nothing, because no enum has it.
func (r *Rules) upsert(x *Conflict) []ruleCheck {
	t := r.table
	if x.Nothing || !slices.ContainsFunc(r.create, func(c ruleCheck) bool { return len(c.left) > 0 }) {
		return r.create
	}
	written := x.columns(t)
	checks := slices.Clone(r.create)
	for i := range checks {
		checks[i].left = slices.DeleteFunc(slices.Clone(checks[i].left), func(col *meta.Column) bool {
			return slices.Contains(t.Defaults, col) && slices.Contains(written, col) && !col.IsNamedText()
		})
	}
	return checks
}

// CreateOne checks the entity at p, which is to be created as one of several writes.
// The columns in refs get keys of other rows.
func (r *Rules) CreateOne(v *Violations, row int, p unsafe.Pointer, refs []*meta.Column) {
	if r != nil {
		r.row(v, row, p, without(r.create, refs))
	}
}

// UpdateOne is CreateOne for an update.
func (r *Rules) UpdateOne(v *Violations, row int, p unsafe.Pointer, refs []*meta.Column) {
	if r != nil {
		r.row(v, row, p, without(r.update, refs))
	}
}

// without returns the checks that are about none of the columns.
func without(checks []ruleCheck, columns []*meta.Column) []ruleCheck {
	if len(columns) == 0 {
		return checks
	}
	return slices.DeleteFunc(slices.Clone(checks), func(c ruleCheck) bool {
		return slices.ContainsFunc(c.Columns, func(col *meta.Column) bool { return slices.Contains(columns, col) })
	})
}

// AssignTo checks assignments to rows that are not known, which are one of several
// writes.
func (r *Rules) AssignTo(v *Violations, row int, sets []plan.Set) {
	if r == nil {
		return
	}
	for _, c := range r.create {
		if c.Kind == meta.RuleFunc {
			continue
		}
		for i := range sets {
			if sets[i].Column == c.Columns[0] && brokenBySet(c.Rule, &sets[i]) {
				v.add(r.table, row, c.Rule)
			}
		}
	}
}

func brokenBySet(r *meta.Rule, s *plan.Set) bool {
	switch s.Op {
	case plan.SetValue:
		return r.BrokenByValue(s.A)
	case plan.SetNull:
		return r.Required()
	}
	return false
}
