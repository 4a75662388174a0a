package analysis

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/explain"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// Statement is one that a program sends.
type Statement struct {
	Name      string // "" for none
	SQL       string // with $1 and so on for values
	Site      string // file:line where it is; "" where that is not known
	MaxOffset int64  // the greatest OFFSET that was seen

	Calls, Rows int64 // as they were counted, 0 if they were not
}

// Title names the statement in findings.
func (s Statement) Title() string { return cmp.Or(s.Name, "statement "+s.Digest()) }

// Digest tells texts apart.
func (s Statement) Digest() string {
	sum := sha256.Sum256([]byte(s.SQL))
	return fmt.Sprintf("%x", sum[:4])
}

// Planned is a statement with its plan for whatever values.
type Planned struct {
	Statement string
	Text      string // a digest
	Cost      float64
	Shape     string
}

// Unplanned is a statement that the server has no plan for: it is refused, or is one that
// EXPLAIN does not take.
type Unplanned struct {
	Statement string
	Why       string
}

// Beginner is what statements are planned on.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// statement is one with its plan.
type statement struct {
	*Analysis
	Statement
	*explain.Plan
	planner    explain.Planner
	parameters []uint32
	usual      []string // values that most rows have, as SQL; none if they are not known
}

// Statements looks at the plans of statements. Each is planned in a transaction of its
// own, so that no lock is held for longer than one takes; it is read-only and rolled
// back, and waits for no lock longer than a second.
func (a *Analysis) Statements(ctx context.Context, db Beginner, all []Statement, done func()) error {
	for _, one := range all {
		if err := a.statement(ctx, db, one); err != nil {
			return fmt.Errorf("%s: %w", one.Title(), err)
		}
		done()
	}
	return a.choose(ctx, db)
}

// statement looks at the plan of a statement, and runs it if that is asked for and its
// parameters have values.
func (a *Analysis) statement(ctx context.Context, db Beginner, one Statement) error {
	var planned *statement
	err := a.within(ctx, db, one, func(s *statement) error {
		planned = s
		a.Plans = append(a.Plans, Planned{s.Title(), s.Digest(), s.Root.Cost, Shape(s.Plan)})
		from, asks := len(s.Found), s.asked()
		a.Asked = append(a.Asked, asks)
		if err := s.check(ctx); err != nil {
			return err
		}
		for i := range s.Found[from:] {
			s.Found[from+i].asks = asks
		}
		return s.prove(ctx, from)
	})
	if err != nil || !a.Execute || planned == nil || len(planned.usual) < len(planned.parameters) {
		return err
	}
	return a.execute(ctx, db, planned)
}

// limits keep an analysis from being in the way: a plan needs locks that only changes of
// a table conflict with, and who waits for one makes others wait behind.
const limits = "SELECT pg_catalog.set_config('lock_timeout', '1s', true), pg_catalog.set_config('statement_timeout', '30s', true)"

// within plans a statement and calls f with it, in a transaction. What the server refuses
// is no error.
func (a *Analysis) within(ctx context.Context, db Beginner, one Statement, f func(*statement) error) (err error) {
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() {
		rollback := tx.Rollback(context.WithoutCancel(ctx))
		if !errors.Is(rollback, pgx.ErrTxClosed) {
			err = errors.Join(err, rollback)
		}
	}()
	if tx.Conn() == nil {
		return errors.New("the handle's transactions have no connection: give a pool or a connection")
	}
	s := &statement{Analysis: a, Statement: one}
	if s.planner, err = explain.Start(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, limits, pgx.QueryExecModeExec); err != nil {
		return err
	}
	described, err := tx.Prepare(ctx, "", one.SQL)
	if err == nil {
		s.parameters = slices.Clone(described.ParamOIDs)
		s.Plan, err = s.planner.Generic(ctx, one.SQL, s.parameters)
	}
	if err == nil {
		err = f(s)
	}
	return a.refused(one, err)
}

// refused notes why a statement has no plan. The error is of what is no fault of it.
func (a *Analysis) refused(s Statement, err error) error {
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, explain.ErrNoPlan):
		a.Unplanned = append(a.Unplanned, Unplanned{s.Title(), "has no plan: " + err.Error()})
	case errors.As(err, &pg) && pgerr.FaultOf(err) != pgerr.Lost:
		a.Unplanned = append(a.Unplanned, Unplanned{s.Title(), "is refused by the server: " + pgerr.OfText(pg)})
	default:
		return err
	}
	return nil
}

// add adds a finding about the statement, or about what it does with a table, with the shape
// of its plan. One statement is found once by each check, for each table.
func (s *statement) add(f Finding, about string) {
	f.Object = s.Title()
	if about != "" {
		f.Object += ": " + about
		if t := s.Named(about); t != nil {
			f.Table = t.OID
		}
	}
	f.Plan, f.Site = Shape(s.Plan), s.Site
	said := func(g Finding) bool { // P7 says more of the same scan, and is found first
		return g.Object == f.Object && (g.ID == f.ID || f.ID == "P1" && g.ID == "P7")
	}
	if !slices.ContainsFunc(s.Found, said) {
		s.Analysis.add(f)
	}
}

// Shape writes a plan without its figures and values: which steps, in which order, on
// which relations, by which indexes. It is the same as long as the server does the same.
func Shape(p *explain.Plan) string {
	var b strings.Builder
	p.Root.Walk(func(n *explain.Node, above []*explain.Node) {
		b.WriteString(strings.Repeat("  ", len(above)))
		if n.Relationship == "SubPlan" || n.Relationship == "InitPlan" {
			b.WriteString(n.Relationship + ": ")
		}
		if n.Join != "" && n.Join != "Inner" {
			b.WriteString(n.Join + " ")
		}
		b.WriteString(n.Type)
		if n.Operation != "" {
			b.WriteString(" " + n.Operation)
		}
		if n.Index != "" {
			b.WriteString(" by " + n.Index)
		}
		if n.Relation != "" {
			b.WriteString(" on " + n.Schema + "." + n.Relation)
		}
		b.WriteString("\n")
	})
	return strings.TrimSuffix(b.String(), "\n")
}

// store returns the table that a node scans, nil if it scans none, or one that is not
// looked at: of the system, of an extension, or temporary.
func (s *statement) store(n *explain.Node) *catalog.Store {
	if n.Relation == "" {
		return nil
	}
	for i := range s.Stores {
		if t := &s.Stores[i]; t.Name == quoted(n.Schema)+"."+quoted(n.Relation) {
			return t
		}
	}
	return nil
}

// quoted writes a name as the server does, but for keywords, which few tables are.
func quoted(name string) string {
	for i := range len(name) {
		if c := name[i]; c != '_' && (c < 'a' || c > 'z') && (i == 0 || (c < '0' || c > '9') && c != '$') {
			return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		}
	}
	return name
}
