package load

import (
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// request returns the statement with the keys of g.
func (l *Load) request(f *form, g *groups) (*plan.Request, error) {
	if err := l.spec.Check(); err != nil { // the form may have taken the limit out of it
		return nil, err
	}
	args, err := f.arguments(l.keys, g)
	if err != nil {
		return nil, err
	}
	r := &plan.Request{Verb: plan.Select, List: f.list, Spec: f.spec, Exprs: f.exprs, Joined: l.joinedColumns, Operation: "preload"}
	if f.before != "" {
		r.Envelope = &plan.Envelope{Before: f.before, After: f.after, AfterArgs: f.limit, List: f.outer, Row: f.row, Columns: l.shape.columns}
		if g.n == 1 && f.beforeOne != "" {
			r.Envelope.Before = f.beforeOne
		}
	}
	r.Tables = l.texts()
	switch f.keysIn {
	case inBefore:
		if r.Envelope.BeforeArgs = args; f.onTheWay != nil {
			r.Envelope.BeforeArgs = append(args, f.onTheWay)
		}
	case inAfter:
		r.Envelope.AfterArgs = args
	}
	switch {
	case f.keysIn == inCondition && f.condition == "" && g.n == 1:
		key := &l.keys[0]
		one, err := key.value.Arg(key.at(g.first[0]))
		if err != nil {
			return nil, err
		}
		r.AndThen = &plan.Node{Op: plan.Eq, Column: l.Inner[0].column, A: one}
	case f.keysIn == inCondition && f.condition == "":
		r.AndThen = &plan.Node{Op: plan.In, Column: l.Inner[0].column, A: args[0]}
	case f.keysIn == inCondition:
		r.AndThen = &plan.Node{Op: plan.Raw, SQL: f.condition, Args: args}
	case f.condition != "":
		r.AndThen = &plan.Node{Op: plan.Raw, SQL: f.condition}
	}
	return r, nil
}

// texts returns the tables whose rows the text of a form sees, besides the query's:
// the join table, and those of the steps of a recursion.
func (l *Load) texts() (tables []*plan.Table) {
	if l.Via != nil {
		tables = append(tables, l.Via.Table)
	}
	if l.Steps != nil {
		tables = append(tables, l.Child)
		if via := l.Steps.Of.Via; via != nil {
			tables = append(tables, via.Table)
		}
	}
	return tables
}

// arguments returns the keys as one array for each column.
func (f *form) arguments(keys []Field, g *groups) ([]any, error) {
	args := make([]any, len(keys))
	for i := range keys {
		a, err := meta.NewArrayAt(keys[i].column, g.first)
		if err != nil {
			return nil, err
		}
		args[i] = a
		if f.keys != nil {
			if args[i], err = f.keys.Arg(i, a); err != nil {
				return nil, err
			}
		}
	}
	return args, nil
}
