package unit

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// A flush goes through these stages, each of which is complete before the next
// one begins:
//
//	collect     work.go               the calls of Create, Update, ... are ops
//	look up     schema.go             foreign keys and types, from memory mostly
//	plan        plan.go, create.go, change.go    ops become steps
//	statements  internal/flush        steps become SQL and arguments
//	send        flush.go, tx.go       one round trip
//	read back   flush.go              results into the copies of the entities
//	settle      flush.go              from the copies into the entities
//
// Of a unit with functions each segment goes through them (function.go).
//
// The plan says what is written in which order, which rows are together in a
// statement, which columns are NULL at first, which keys are reserved, and
// which setting holds which keys. For a team, its players and its captain, who
// is one of the players, it is
//
//	insert teams     captain is NULL for now; keys to smrt.k1
//	insert players   team from smrt.k1; keys to smrt.k2
//	backfill teams   captain from smrt.k2; the row is found by its key in smrt.k1
//	fail if missed
//
// Of each op the planner finds its rank (order.go), whether a later step needs
// its key, and then where that key will be: the setting and the position in it.
// As rows come after those that they refer to, what a step must know of another
// one is always there already.

// planner makes the plan of a unit. It asks no database.
type planner struct {
	*schema
	steps []flush.Step
	ops   [][]*op // of each step, at the places of its rows; nil if it only prepares others

	acting  smrt.Tenant // whose rows the unit is about
	foreign error       // of a row that is not

	settings int      // names that were given
	buffer   []byte   // for keys of maps
	deferred []string // constraints that are to be checked again at the end
	closed   []*CycleError
}

// prepared is a unit that is ready to be sent.
type prepared struct {
	*planner
	statements []flush.Statement // one for each step
}

// prepare makes the statements of the unit. It works on copies of the entities
// as they are now. Foreign keys that are known may have changed since, so that
// a ring is only believed if they are looked up. Errors of values and of calls
// are *RowErrors.
func (u *work) prepare(ctx context.Context, db smrt.DB) (*prepared, error) {
	p, err := u.planFor(ctx, db)
	var ring *CycleError
	if errors.As(err, &ring) && p.cached {
		p.forget()
		p, err = u.planFor(ctx, db)
	}
	if err != nil {
		return nil, err
	}
	statements, err := flush.Statements(p.steps)
	if err != nil {
		return nil, located(err, p.ops[len(statements)])
	}
	return &prepared{planner: p, statements: statements}, nil
}

// planFor makes the plan with the foreign keys that are known of the database
// of db.
func (u *work) planFor(ctx context.Context, db smrt.DB) (*planner, error) {
	if err := u.check(); err != nil {
		return nil, err
	}
	if err := u.own(ctx); err != nil {
		return nil, err
	}
	phases, err := u.phases()
	if err != nil {
		return nil, err
	}
	s, err := u.lookUp(ctx, db)
	if err != nil {
		return nil, err
	}
	p := &planner{schema: s, acting: plan.ActingOf(ctx)}
	err = p.plan(phases)
	return p, cmp.Or(err, p.foreign)
}

// plan makes the steps of all phases.
func (p *planner) plan(phases []phase) error {
	for i := range phases {
		by := &phases[i]
		if err := p.creates(by[creates]); err != nil {
			return err
		}
		p.updates(by[updates])
		p.patches(by[patches])
		p.deletes(by[deletes])
		p.setWrites(flush.UpdateWhere, by[updatesWhere])
		p.setWrites(flush.DeleteWhere, by[deletesWhere])
	}
	if len(p.deferred) > 0 {
		slices.Sort(p.deferred)
		p.prepares(flush.Step{Kind: flush.CheckConstraints, Constraints: p.deferred})
	}
	if slices.ContainsFunc(p.steps, func(s flush.Step) bool { return s.Finds() }) {
		p.prepares(flush.Step{Kind: flush.FailIfMissed})
	}
	return nil
}

// prepares adds a step that writes no rows.
func (p *planner) prepares(s flush.Step) {
	p.steps, p.ops = append(p.steps, s), append(p.ops, nil)
}

// writes adds steps that write rows: one for as many as a statement can have.
// The columns refs get keys of other rows.
func (p *planner) writes(s flush.Step, ops []*op, refs []*meta.Column) {
	s = p.describe(s, ops, refs)
	for part := range slices.Chunk(ops, s.MaxRows()) {
		p.write(s, part)
	}
}

// describe completes a step with what is the same for all of its rows.
func (p *planner) describe(s flush.Step, ops []*op, refs []*meta.Column) flush.Step {
	s.Table, s.Catalog, s.Unordered = ops[0].table, p.catalogOf(ops[0].table), p.unordered
	s.Acting, s.Any = p.acting, ops[0].owner.All
	if len(refs) > 0 {
		s.Refs = make([]flush.Ref, len(refs))
	}
	for i, col := range refs {
		from := ops[0].source(col)
		s.Refs[i] = flush.Ref{Column: col, Type: p.keyType(from), Setting: from.setting(), Own: from.to == ops[0] && from.to.reserved}
	}
	return s
}

// write adds a step for rows.
func (p *planner) write(s flush.Step, ops []*op) {
	s.Rows = copies(ops, &s)
	p.foreign = cmp.Or(p.foreign, owned(ops, &s))
	s.Refs = slices.Clone(s.Refs)
	for i := range s.Refs {
		r := &s.Refs[i]
		r.At = make([]int32, len(ops))
		for j, o := range ops {
			r.At[j] = o.source(r.Column).to.at
		}
	}
	p.steps, p.ops = append(p.steps, s), append(p.ops, ops)
}

// source returns where a column gets a key from that is in a setting: another
// row, or the row itself.
func (o *op) source(col *meta.Column) reference {
	for _, r := range o.refs {
		if r.column == col && !r.known() {
			return r.origin()
		}
	}
	return reference{to: o, part: col}
}

// origin returns the reference to the row that the key comes from in the end: a
// part of the composite key of one row may be the key of another. In a ring, which
// is found by looking back ever farther, it is the first row with a value.
func (r reference) origin() reference {
	given, back := r, r
	for step, far := 1, 1; !r.to.done && len(r.to.table.Key) > 1; step++ {
		next := slices.IndexFunc(r.to.refs, func(next reference) bool { return next.column == r.part })
		if next < 0 {
			break
		}
		if given.part.Zero(given.to.entity) {
			given = r
		}
		if r = r.to.refs[next]; r.to == back.to && r.part == back.part {
			return given
		}
		if step == far {
			back, step, far = r, 0, 2*far
		}
	}
	return r
}

// known reports whether the program knows the key that a reference is to.
func (r reference) known() bool {
	from := r.origin()
	return from.to.done || !from.to.makes(from.part)
}

// setting returns the setting that has the part of the key which a reference is
// to.
func (r reference) setting() string {
	n := 0
	for _, k := range r.to.table.Key {
		if k.Column == r.part {
			break
		}
		if r.to.makes(k.Column) {
			n++
		}
	}
	return flush.KeySetting(r.to.setting, n)
}

// copies returns copies of the entities of ops, in a row, with what a patch
// assigns.
func copies(ops []*op, s *flush.Step) table.Rows {
	rows := ops[0].table.Copies(len(ops))
	for i, o := range ops {
		o.copyTo(rows.At(i))
		if s.Kind == flush.Patch && !s.InSets {
			flush.Assign(rows.At(i), o.sets)
		}
	}
	return rows
}

// part returns the statement of a step for some of its rows, as they were
// before anything was sent.
func (p *prepared) part(step, from, to int) (flush.Statement, error) {
	s := &p.steps[step]
	part := s.Part(from, to, copies(p.ops[step][from:to], s))
	return part.Statement()
}

// deferring lets constraints be checked after the last statement of the unit,
// and not at COMMIT: a transaction that is joined goes on as it was.
func (p *planner) deferring(keys []*flush.ForeignKey) {
	var names []string
	for _, k := range keys {
		if !slices.Contains(names, k.Constraint) {
			names = append(names, k.Constraint)
		}
		if !k.Deferred && !slices.Contains(p.deferred, k.Constraint) {
			p.deferred = append(p.deferred, k.Constraint)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		p.prepares(flush.Step{Kind: flush.SetConstraints, Constraints: names})
	}
}

// setting returns a new name of a setting.
func (p *planner) setting() string {
	p.settings++
	return "smrt.k" + strconv.Itoa(p.settings)
}

// byTable splits writes by table, in the order of the tables' names: units that
// write the same tables lock rows in the same order.
func byTable(ops []*op) [][]*op {
	var tables []*table.Table
	rows := map[*table.Table][]*op{}
	for _, o := range ops {
		if rows[o.table] == nil {
			tables = append(tables, o.table)
		}
		rows[o.table] = append(rows[o.table], o)
	}
	slices.SortFunc(tables, func(a, b *table.Table) int { return strings.Compare(a.Quoted, b.Quoted) })
	out := make([][]*op, len(tables))
	for i, t := range tables {
		out[i] = sortedByKey(rows[t])
	}
	return out
}

// sortedByKey orders rows by their keys where these are numbers, for the same
// reason.
func sortedByKey(ops []*op) []*op {
	if !ops[0].table.IntKey() {
		return ops
	}
	ops = slices.Clone(ops)
	slices.SortStableFunc(ops, func(a, b *op) int { return cmp.Compare(a.intKey(), b.intKey()) })
	return ops
}

func (o *op) intKey() int64 {
	if o.entity != nil {
		return o.table.Key[0].Column.Int(o.entity)
	}
	return o.table.KeyNumber(o.key)
}
