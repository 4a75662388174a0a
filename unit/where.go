package unit

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// A write of a set of rows is one statement by itself. Which rows it finds depends
// on what was written before it, so it is alone in its phase: what was added before
// it is sent before it, and what is added after it is sent after it. Whether it
// writes a row that another write of the unit writes too, nobody knows, so it
// clashes with none.
//
// Its text is that of repositories, by the same functions: package table makes the
// request, and package plan renders it, once for each shape.

// setWrite is a write of all rows that match a query.
type setWrite struct {
	request *plan.Request
	built   plan.Statement // for the flush under way
}

// updateWhere adds an update by query. The assignments are copied: the caller may
// change its own.
func (u *work) updateWhere(t *plan.Table, s *plan.Spec, sets []plan.Set) {
	of := table.Of(t)
	o := &op{kind: updatesWhere, table: of, where: &setWrite{request: of.UpdateWhere(s, append([]plan.Set(nil), sets...))}}
	u.addWhere(o, of.CheckSets(sets))
}

func (u *work) deleteWhere(t *plan.Table, s *plan.Spec, hard bool) {
	of := table.Of(t)
	u.addWhere(&op{kind: deletesWhere, table: of, where: &setWrite{request: of.DeleteWhere(s, hard)}}, nil)
}

func (u *work) addWhere(o *op, err error) {
	u.fail(o.kind, o.table, len(u.ops), o.table.CheckWrite(false))
	u.fail(o.kind, o.table, len(u.ops), err)
	u.phase++
	u.add(o)
	u.phase++
}

// none reports whether o writes a set of rows that is empty whatever the table
// holds. As in a repository, nothing is sent for it.
func (o *op) none() bool { return o.where != nil && o.where.request.Spec.Empty() }

// idle reports whether the unit has nothing to send.
func (u *work) idle() bool {
	for _, o := range u.ops {
		if !o.none() {
			return false
		}
	}
	return true
}

// checkNone refuses what is wrong with a write for which nothing is sent.
func (o *op) checkNone() error {
	if !o.none() {
		return nil
	}
	_, err := o.table.Build(plan.Anybody(context.Background()), o.where.request)
	return o.table.Named(err)
}

// build makes the statement of a write of a set of rows.
func (o *op) build(ctx context.Context, db smrt.DB, c *table.Catalog) (err error) {
	if o.where == nil || o.none() {
		return nil
	}
	if o.where.built, err = o.table.BuildBatched(ctx, db, c, o.where.request); err != nil {
		return err
	}
	return o.table.Limit(limit.Of(ctx), o.where.request, &o.where.built)
}

// rows returns how many rows the unit writes whose entities or keys it has.
func (u *work) rows() (n int64) {
	for _, o := range u.ops {
		if o.where == nil && o.run == nil {
			n++
		}
	}
	return n
}

// price returns what the writes of the unit ask for. Those of one kind to one table
// are one statement, as far as that is known before they are ordered. Functions are
// calls by themselves.
func (u *work) price(ctx context.Context, call *limit.Call) (p limit.Price) {
	type statement struct {
		kind
		table *table.Table
	}
	seen := map[statement]bool{}
	for _, o := range u.ops {
		switch {
		case o.run != nil:
		case o.where != nil:
			r := o.where.request
			p = p.Plus(o.table.Price(ctx, call, table.Work{Does: table.WritesWhere, N: len(r.Sets), Spec: r.Spec}, 0))
		default:
			of := o.table.Price(ctx, call, table.Work{Does: table.WritesRows, N: 1}, len(o.table.Struct.Columns))
			if seen[statement{o.kind, o.table}] {
				of.Points = 0
			}
			seen[statement{o.kind, o.table}] = true
			p = p.Plus(of)
		}
	}
	return p
}

// setWrites plans the writes of sets of rows of a phase, which has one at most. As
// in a repository, long lists are planned for, and so is a query with a mode of
// pgx's, which the statements of a batch cannot have.
func (p *planner) setWrites(kind flush.Kind, ops []*op) {
	for _, o := range ops {
		if o.none() {
			continue
		}
		w, mode := o.where, o.where.request.Spec.Mode
		planned := meta.HasLongList(w.built.Args) || mode != 0 && mode != pgx.QueryExecModeCacheStatement
		if planned {
			p.prepares(flush.Step{Kind: flush.Planned, Built: plan.Statement{SQL: handle.PlanEach}})
		}
		p.steps = append(p.steps, flush.Step{Kind: kind, Table: o.table, Catalog: p.catalogOf(o.table), Where: w.request, Built: w.built})
		p.ops = append(p.ops, []*op{o})
		if planned {
			p.prepares(flush.Step{Kind: flush.Planned, Built: plan.Statement{SQL: handle.PlanAsBefore}})
		}
	}
}
