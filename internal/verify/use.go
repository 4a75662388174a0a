package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// checkUses looks at how the program uses the table, where a declaration says more of
// that than the table's own: which conflicts are upserted, in which orders it is paged.
func (s *subject) checkUses(ctx context.Context, db smrt.DB) error {
	for _, u := range s.uses {
		if u.Table != s.Table {
			continue
		}
		if len(u.Order) > 0 {
			s.checkPage(u)
		}
		if u.Conflict != nil {
			if err := s.checkConflict(ctx, db, u); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkConflict asks the server to plan an insert with the conflict, which finds its
// index or does not. Which index a predicate implies only the planner knows, and
// EXPLAIN runs nothing.
func (s *subject) checkConflict(ctx context.Context, db smrt.DB, u Use) error {
	target := u.Conflict.Target
	if len(target) == 0 {
		target = s.KeyColumns()
	}
	on := "(" + meta.List(target) + ")"
	if u.Conflict.Where != "" {
		on += " WHERE " + u.Conflict.Where
	}
	f := Finding{Check: CheckConflict, Level: Fault, Site: u.Site, Column: names(target)}
	err := explain(ctx, db, "EXPLAIN (COSTS OFF) INSERT INTO "+s.Quoted+" DEFAULT VALUES ON CONFLICT "+on+" DO NOTHING")
	var refused *pgconn.PgError
	switch {
	case err == nil && !s.deferrable(target):
		return nil
	case err == nil: // found when the statement runs
		f.Problem = "is declared as a conflict of upserts, and its unique constraint is deferrable, which ON CONFLICT does not take"
	case !errors.As(err, &refused) || !pgerr.IsMissing(err): // the database cannot be asked
		return err
	default:
		f.Problem = "is declared as a conflict of upserts, which the server refuses: " + pgerr.OfText(refused)
		if pgerr.HasNoArbiter(err) && s.in.Kind == catalog.Ordinary {
			f.SQL = "CREATE UNIQUE INDEX ON " + s.Quoted + " " + on
		}
	}
	s.add(f)
	return nil
}

// explain asks for the plan of a statement. In a transaction it does so within a
// savepoint, which a refusal does not leave.
func explain(ctx context.Context, db smrt.DB, sql string) (err error) {
	var plan string
	if b, ok := db.(interface {
		Begin(ctx context.Context) (pgx.Tx, error)
	}); ok {
		tx, err := b.Begin(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing was changed
		db = tx
	}
	return db.QueryRow(ctx, sql, pgx.QueryExecModeExec).Scan(&plan)
}

// deferrable reports whether all unique indexes on columns are.
func (s *subject) deferrable(columns []*meta.Column) bool {
	found := false
	for i := range s.in.Indexes {
		if x := &s.in.Indexes[i]; x.Unique && x.Valid && x.On(columnNames(columns)) {
			if x.Immediate {
				return false
			}
			found = true
		}
	}
	return found
}

// checkPage looks for an index in the order of pages, read in either direction. Without
// one each page sorts all rows that match, so that page 1,000 costs as much as all.
func (s *subject) checkPage(u Use) {
	order := s.pageOrder(u.Order)
	sorted := 0 // terms of the order that an index has
	for i := range s.in.Indexes {
		if x := &s.in.Indexes[i]; x.Valid && x.Method == "btree" && s.ofAll(x) {
			n := max(sorts(x, order, false), sorts(x, order, true))
			if n == len(order) || n == 1 && x.Unique && len(x.Keys) == 1 {
				return
			}
			sorted = max(sorted, n)
		}
	}
	var terms, columns []string
	for _, o := range order {
		if o.Column.Expr != nil {
			s.add(Finding{Check: CheckIndex, Level: Note, Site: u.Site, Problem: "is paged in the order of an expression, whose index is not looked for"})
			return
		}
		columns = append(columns, o.Column.Name)
		terms = append(terms, term(o))
	}
	f := Finding{
		Check: CheckIndex, Level: Warning, Site: u.Site, Column: strings.Join(columns, ", "),
		Problem: "is an order of pages that no index has: each page sorts the rows that match",
	}
	if sorted > 0 {
		f.Level, f.Problem = Note, fmt.Sprintf("is an order of pages of which an index has the first %d of %d columns: rows that are equal there are sorted for each page", sorted, len(order))
	}
	if s.isTable() {
		f.SQL = "CREATE INDEX ON " + s.Quoted + " (" + strings.Join(terms, ", ") + ")"
		if s.SoftDelete != nil {
			f.SQL += " WHERE " + s.SoftDelete.Quoted + " IS NULL"
		}
	}
	s.add(f)
}

// pageOrder returns the order of pages as repositories complete it: what is declared,
// and then the columns of the key that are not in it, in the direction of the last term,
// so that one index serves all.
func (s *subject) pageOrder(order []meta.Order) []meta.Order {
	order = slices.Clone(order)
	desc := order[len(order)-1].Desc
	for _, c := range s.KeyColumns() {
		if !slices.ContainsFunc(order, func(o meta.Order) bool { return o.Column.Name == c.Name }) {
			order = append(order, meta.Order{Column: c, Desc: desc})
		}
	}
	return order
}

// term returns a term of an order as an index has it. NULLs need saying only where they
// do not stand as they do by default.
func term(o meta.Order) string {
	text := o.Column.Quoted
	if o.Desc {
		text += " DESC"
	}
	switch {
	case o.First() && !o.Desc:
		text += " NULLS FIRST"
	case !o.First() && o.Desc:
		text += " NULLS LAST"
	}
	return text
}

// ofAll reports whether an index has all rows that are paged: those that are not
// deleted softly. Another predicate might be implied by the conditions of a query, which
// are not known here.
func (s *subject) ofAll(x *catalog.Index) bool {
	if x.Predicate == "" {
		return true
	}
	e := edge{subject: s}
	return e.softly(s.in, x)
}

// sorts returns how many terms of an order an index is in, read forwards or backwards.
// Further keys of it do not matter. A key with operators or a collation of its own sorts
// in another order than ORDER BY does.
func sorts(x *catalog.Index, order []meta.Order, backwards bool) int {
	for i, o := range order {
		if i == len(x.Keys) {
			return i
		}
		k := x.Keys[i]
		if o.Column.Expr != nil || k.Column != o.Column.Name || !k.Plain || (k.Desc != backwards) != o.Desc || (k.NullsFirst != backwards) != o.First() {
			return i
		}
	}
	return len(order)
}

// names returns the names of columns as one text, for a finding.
func names(columns []*meta.Column) string { return strings.Join(columnNames(columns), ", ") }

func columnNames(columns []*meta.Column) []string {
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = c.Name
	}
	return all
}
