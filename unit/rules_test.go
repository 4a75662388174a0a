package unit_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// The same tables with rules that only the program knows.
var (
	ruledReports = query.NewTable("reports", func(r *report) *int64 { return &r.ID },
		query.SoftDelete(func(r *report) **time.Time { return &r.DeletedAt }),
		query.CreatedAt(func(r *report) *time.Time { return &r.CreatedAt }),
		query.UpdatedAt(func(r *report) *time.Time { return &r.UpdatedAt }),
		query.Version(func(r *report) *int64 { return &r.Version }),
		query.Default(reportRank), query.Computed(doubled),
		query.Rules(
			query.NotBlank(reportSlug), query.MaxLength(reportNote, 5), query.AtLeast(reportRank, 2),
			query.RuleFunc("calm", func(r *report) bool { return !strings.Contains(r.Slug, "!") })))

	ruledNotes = query.NewTable("notes", func(n *note) *int64 { return &n.ID },
		query.Rules(query.AtLeast(noteReport, 1), query.NotBlank(noteBody)))
)

// breakOne are the functions that add writes with values, each with one that breaks
// a rule of reports in the write with the number 1.
var breakOne = map[string]func(u *unit.Unit, of *report){
	"Create": func(u *unit.Unit, _ *report) { unit.Create(u, ruledReports, &report{Slug: "wow!"}) },
	"CreateMany": func(u *unit.Unit, _ *report) {
		unit.CreateMany(u, ruledReports, []report{{Slug: "a", Note: ptr("äääääa")}, {Slug: "b"}})
	},
	"Update": func(u *unit.Unit, of *report) {
		of.Rank = 1
		unit.Update(u, ruledReports, of)
	},
	"Patch": func(u *unit.Unit, of *report) { unit.Patch(u, ruledReports, of.ID, reportSlug.Set(" ")) },
	"UpdateWhere": func(u *unit.Unit, of *report) {
		unit.UpdateWhere(u, ruledReports, query.Where(reportID.Eq(of.ID)), reportNote.Set("too long"))
	},
}

// rulesOf lists the rules that an error says are broken: row and rule.
func rulesOf(t *testing.T, err error) string {
	t.Helper()
	var e *smrt.RuleError
	if !errors.Is(err, smrt.ErrRule) || !errors.As(err, &e) {
		t.Fatal(err)
	}
	var list []string
	for _, v := range e.Violations {
		list = append(list, fmt.Sprint(v.Row, " ", v.Table, " ", v.Rule))
	}
	check.Same(t, "total", e.Total, len(list))
	return strings.Join(list, ", ")
}

// TestEveryWriteOfAUnitChecksRules breaks a rule with each function that adds a
// write. Nothing is sent, no connection is needed, and the unit keeps its writes.
func TestEveryWriteOfAUnitChecksRules(t *testing.T) {
	for _, name := range adding(t) {
		if breakOne[name] == nil && !slices.Contains([]string{"Link", "Delete", "HardDelete", "Remove", "DeleteWhere", "HardDeleteWhere"}, name) {
			t.Errorf("the test does not know whether %s writes values", name)
		}
	}
	l := newLeague(t, testdb.MaxConns(1))
	for name, add := range breakOne {
		t.Run(name, func(t *testing.T) {
			exec(t, l, "TRUNCATE reports, notes, badges, pins, events")
			r := stored(t, l, "old")[0]
			u := unit.New()
			unit.Create(u, events, &event{Message: "first"})
			add(u, &r)
			was := u.Len()
			only := check.Value(l.Acquire(t.Context()))(t)
			defer only.Release()
			l.sent.Reset()
			ctx, cancel := context.WithTimeout(t.Context(), testdb.Patience(time.Second))
			defer cancel()
			_, err := u.Flush(ctx, l)
			if list := rulesOf(t, err); !strings.HasPrefix(list, "1 reports ") || strings.Contains(list, ",") {
				t.Error(list)
			}
			_, planned := u.Plan(ctx, l)
			check.Same(t, "Plan", fmt.Sprint(planned), fmt.Sprint(err))
			check.Same(t, "sent", l.sent.Len(), 0)
			check.Same(t, "left", u.Len(), was)
			only.Release()
			u.Discard()
			free := unit.New().WithoutRules()
			unit.Create(free, events, &event{Message: "first"})
			add(free, &r)
			check.Value(free.Flush(t.Context(), l))(t)
			unit.Create(free, ruledReports, &report{Slug: "again!"}) // it stays without rules
			check.Value(free.Flush(t.Context(), l))(t)
		})
	}
}

// adding returns the functions of the package that add writes to a unit.
func adding(t *testing.T) (names []string) {
	t.Helper()
	for _, path := range check.Value(filepath.Glob("*.go"))(t) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, d := range check.Value(parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution))(t).Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !fn.Name.IsExported() || len(fn.Type.Params.List) == 0 {
				continue
			}
			if star, ok := fn.Type.Params.List[0].Type.(*ast.StarExpr); ok {
				if id, ok := star.X.(*ast.Ident); ok && id.Name == "Unit" {
					names = append(names, fn.Name.Name)
				}
			}
		}
	}
	return names
}

// TestRulesOfAUnit proves that the error has the violations of all writes in their
// order, that what the database decides is not checked, and that a unit that was
// mended is written.
func TestRulesOfAUnit(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	r, n, lost := &report{Slug: " !"}, &note{Body: "n"}, &note{}
	key := unit.Create(u, ruledReports, r)
	unit.Create(u, ruledNotes, n, unit.Refer(noteReport, key))
	unit.Create(u, ruledNotes, lost)
	other := unit.New().WithoutRules()
	unit.Create(other, ruledReports, &report{Slug: "loud!"})
	u.Append(other)
	unit.Patch(u, ruledReports, 404, reportSlug.Set(""), query.Add(reportRank, -9), reportNote.SetNull())
	_, err := u.Flush(t.Context(), l)
	check.Same(t, "rules", rulesOf(t, err), "0 reports calm, 2 notes at_least, 2 notes not_blank, 4 reports not_blank")
	if text := err.Error(); !strings.HasPrefix(text, `flush unit: a value breaks a rule of its table: table "reports", row 0: must satisfy calm`) {
		t.Error(text)
	}
	check.Same(t, "sent", l.sent.Len(), 0)

	u.Discard()
	r.Slug, lost.Body = "quiet", "found"
	key = unit.Create(u, ruledReports, r)
	unit.Create(u, ruledNotes, n, unit.Refer(noteReport, key))
	unit.Link(u, n, unit.Refer(noteReplyTo, unit.Create(u, ruledNotes, lost, unit.Refer(noteReport, key))))
	check.Value(u.Flush(t.Context(), l))(t)
	check.Same(t, "rank", r.Rank, 5)
	check.Same(t, "notes", text(t, l, "body", "notes"), "found n")
	unit.Update(u, ruledNotes, n, unit.Refer(noteReport, key))
	check.Value(u.Flush(t.Context(), l))(t)
}

// TestRulesBehindAFunction proves that entities behind a function are checked when it
// has run, in each run, and that everything is undone if they break a rule; patches
// are checked before anything is sent.
func TestRulesBehindAFunction(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	first, last := &report{Slug: "first"}, &report{Slug: "last"}
	runs, slugs := 0, []string{"last", "loud!"}
	unit.Create(u, ruledReports, first)
	u.Do(func(context.Context, pgx.Tx) error {
		last.Slug = slugs[runs]
		if runs++; runs == 1 {
			return &pgconn.PgError{Code: "40001"}
		}
		return nil
	})
	unit.Create(u, ruledReports, last)
	_, err := u.Flush(t.Context(), l, txn.Options{MaxAttempts: 3})
	check.Same(t, "rules", rulesOf(t, err), "2 reports calm")
	check.Same(t, "runs", runs, 2)
	check.Same(t, "rows", text(t, l, "slug", "reports"), "")
	check.Same(t, "entities", fmt.Sprint(first.ID, last.Slug, u.Len()), "0last3")
	runs, slugs = 1, []string{"", "calm"}
	check.Value(u.Flush(t.Context(), l))(t)
	check.Same(t, "rows", text(t, l, "slug", "reports"), "calm first")

	u.Do(func(context.Context, pgx.Tx) error { return errors.New("it ran") })
	unit.Patch(u, ruledReports, first.ID, reportSlug.Set(""))
	unit.Create(u, ruledReports, &report{})
	l.sent.Reset()
	_, err = u.Flush(t.Context(), l)
	check.Same(t, "rules", rulesOf(t, err), "1 reports not_blank")
	check.Same(t, "sent", l.sent.Len(), 0)
}

// TestRulesInATransactionOfTheCaller proves that a unit that breaks a rule leaves the
// transaction that it would have joined as it is.
func TestRulesInATransactionOfTheCaller(t *testing.T) {
	l := newLeague(t)
	err := txn.Run(t.Context(), l, func(ctx context.Context, tx pgx.Tx) error {
		u := unit.New()
		r := &report{}
		unit.Create(u, ruledReports, r)
		if _, err := u.Flush(ctx, tx); !errors.Is(err, smrt.ErrRule) {
			return err
		}
		r.Slug = "mended"
		_, err := u.Flush(ctx, tx)
		return err
	})
	check.NoError(t, err)
	check.Same(t, "rows", text(t, l, "slug", "reports"), "mended")
}
