package slots

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/slot"
	"github.com/smrt-go/smrt/internal/sqlc"
	"github.com/smrt-go/smrt/txn"
)

// Rule is what a [Finding] is about.
type Rule string

// The rules of [Lint].
const (
	// RuleSlot: a slot cannot be filled. The marker has a typing error or stands in the
	// wrong place, its table is none that was given, or the server refuses the statement.
	RuleSlot Rule = "slot"
	// RuleDeleted: a slot is of a table that is deleted softly, and the statement never
	// names the column that says so. Its rows are among those of a slot, because a slot
	// has the caller's conditions and nothing else.
	RuleDeleted Rule = "deleted"
	// RuleOrder: the statement's own order, behind a slot for one, does not name the key,
	// so that rows which the caller's order leaves equal come in any order.
	RuleOrder Rule = "order"
	// RuleWrites: the comment smrt:writes, by which a cache knows what a statement writes,
	// does not say it: it names no tables, or one that is not in the database, leaves one
	// out that the statement writes by its words, or has a line of its own, so that sqlc
	// took it out of the text.
	RuleWrites Rule = "writes"
)

// Finding is what [Lint] has found of a query.
type Finding struct {
	Rule    Rule
	Site    string // file:line of its text
	Query   string // its name
	SQL     string // its text
	Table   string // as it was declared, "" if none is meant
	Problem string
	Remedy  string
	Err     error // of RuleSlot; as of [Check]
}

// String returns the finding in one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: query %s: %s; %s", f.Site, f.Query, f.Problem, f.Remedy)
}

// Lint is [Check] with three rules more, which are about what a statement returns and what
// it says that it writes: see [Rule]. It reads the text for them, and a column that the text names is taken for one
// that it uses: a statement that shows deleted rows on purpose says so by naming it.
//
//	found, err := slots.Lint(ctx, pool, os.DirFS("internal/shopdb"), Orders, Customers)
//
// The findings are in the order of files and lines, none if nothing was found or no query
// has slots. Nothing is run. The error says that the folder or the database could not be
// read. smrt lint --queries prints the findings of the database that migrations make.
func Lint(ctx context.Context, db txn.Beginner, folder fs.FS, tables ...Table) ([]Finding, error) {
	queries, err := sqlc.Read(folder)
	if err != nil {
		return nil, fmt.Errorf("smrt: slots: %w", err)
	}
	var found []Finding
	for _, q := range queries {
		said, err := lintWrites(ctx, db, q)
		if err != nil {
			return nil, fmt.Errorf("%s: query %s: %w", q.Site, q.Name, err)
		}
		found = append(found, said...)
		text := slot.Parse(q.SQL)
		if text.Err == nil && len(text.Places) == 0 {
			continue
		}
		err = checkText(ctx, db, text, tables)
		f := Finding{Rule: RuleSlot, Site: q.Site, Query: q.Name, SQL: q.SQL, Err: err, Remedy: "mend the query and run sqlc generate"}
		refused := (*pgconn.PgError)(nil)
		switch {
		case errors.As(err, &refused):
			where := *refused
			where.Position = 0 // in the text that was sent, which is another one
			f.Problem = "with its slots filled it " + sqlc.Refused(q.SQL, &where)
			found = append(found, f)
		case errors.Is(err, smrt.ErrBadQuery):
			f.Problem = err.Error()
			found = append(found, f)
		case err != nil:
			return nil, fmt.Errorf("%s: query %s: %w", q.Site, q.Name, err)
		default:
			f.Err = nil
			found = append(found, meaning(text, &f, tables)...)
		}
	}
	return found, nil
}

// meaning returns what is found of a statement whose slots can be filled.
func meaning(text *slot.Text, of *Finding, tables []Table) (found []Finding) {
	// Places of one table and one alias are filled alike, and so are one finding.
	seen := map[[2]string]bool{}
	for i := range text.Places {
		p := &text.Places[i]
		t := tableOf(tables, p.Table)
		f := *of
		switch {
		case p.Kind == plan.WherePlace && t.SoftDelete != nil && !seen[[2]string{p.Table, p.Alias}]:
			seen[[2]string{p.Table, p.Alias}] = true
			if column := t.SoftDelete.Quoted; !text.Mentions(p.Alias, column) {
				f.Rule, f.Table = RuleDeleted, t.Name
				f.Problem = fmt.Sprintf("rows of %s that are deleted are among those of its slot", t.Name)
				f.Remedy = fmt.Sprintf("say which rows it is about: AND %s.%s IS NULL", p.Alias, column)
				found = append(found, f)
			}
		case p.Kind == plan.OrderPlace:
			for _, k := range t.Key {
				if !text.OrdersBy(p, k.Column.Quoted) {
					f.Rule, f.Table = RuleOrder, t.Name
					f.Problem = fmt.Sprintf("its own order has no %s, so that rows which the caller's order leaves equal come in any order", k.Column.Name)
					f.Remedy = fmt.Sprintf("end the order with the key of %s: %s.%s", t.Name, p.Alias, k.Column.Quoted)
					found = append(found, f)
					break
				}
			}
		}
	}
	return found
}
