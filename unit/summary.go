package unit

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/txn"
)

// Summary is what a unit wrote, by table. Rows that were completed after they
// were created, because they refer to each other in a ring, count once. Rows that
// [UpdateWhere] and [DeleteWhere] found count as updated and deleted, also if the
// unit writes them otherwise too.
type Summary struct {
	Tables     []TableSummary // in the order in which they were first written
	Statements int            // between BEGIN and COMMIT

	// Result says how the transaction went. Its Position is zero where nobody
	// asked for it (see txn.Options.TrackPosition), where the server does not
	// tell it, and in a transaction that was joined, whose commit comes later.
	txn.Result
}

// TableSummary is how many rows of one table a unit wrote. A row that was
// deleted softly counts as deleted.
type TableSummary struct {
	Table                              string // as declared
	Created, Updated, Patched, Deleted int
}

// Rows returns how many rows were written in all tables.
func (s Summary) Rows() int {
	n := 0
	for _, t := range s.Tables {
		n += t.Created + t.Updated + t.Patched + t.Deleted
	}
	return n
}

// String lists the tables in the form
//
//	orders: 1 created; order_items: 3 created, 1 deleted
func (s Summary) String() string {
	parts := make([]string, len(s.Tables))
	for i, t := range s.Tables {
		var did []string
		for _, c := range []struct {
			n    int
			what string
		}{{t.Created, "created"}, {t.Updated, "updated"}, {t.Patched, "patched"}, {t.Deleted, "deleted"}} {
			if c.n > 0 {
				did = append(did, fmt.Sprintf("%d %s", c.n, c.what))
			}
		}
		parts[i] = t.Table + ": " + strings.Join(did, ", ")
	}
	return strings.Join(parts, "; ")
}

func (p *prepared) summary() Summary {
	s := Summary{Statements: len(p.statements)}
	for step, ops := range p.ops {
		if p.steps[step].Kind == flush.Backfill { // of rows that were counted when they were inserted
			continue
		}
		for _, o := range ops {
			n := 1
			if o.where != nil {
				n = int(p.statements[step].Affected)
			}
			s.count(o, n)
		}
	}
	return s
}

// count adds n rows that a write has written.
func (s *Summary) count(o *op, n int) {
	if n == 0 {
		return
	}
	i := slices.IndexFunc(s.Tables, func(t TableSummary) bool { return t.Table == o.table.Name })
	if i < 0 {
		i = len(s.Tables)
		s.Tables = append(s.Tables, TableSummary{Table: o.table.Name})
	}
	t := &s.Tables[i]
	*[...]*int{
		creates: &t.Created, updates: &t.Updated, patches: &t.Patched, deletes: &t.Deleted,
		updatesWhere: &t.Updated, deletesWhere: &t.Deleted,
	}[o.kind] += n
}

// Statement is one statement that a flush would send. It cannot be run by
// itself: it may take keys from a setting that one before it has made.
type Statement struct {
	SQL   string
	Args  []any  // of the types that pgx encodes; they refer to copies of the entities
	Op    string // as in RowError; empty for what is around them
	Table string // as declared; empty if Op is
	Rows  int    // how many it writes; 0 if Op is empty, or if the server finds the rows
}

// plan prepares the unit as flush does for the same handle, and lists what
// would be sent. A pool lends a connection for as long as that takes.
func (u *work) plan(ctx context.Context, db smrt.DB, options []txn.Options) ([]Statement, error) {
	if err := checkCall(ctx, db, options); err != nil {
		return nil, err
	}
	if u.err != nil || u.idle() {
		return nil, u.check()
	}
	db = root(db)
	alone := handle.Check(ctx, db) == nil
	switch h := db.(type) {
	case pgx.Tx:
		alone = false
	case smrt.Pool:
		c, err := h.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		defer c.Release()
		db = c.Conn()
	case *pgx.Conn, connection:
	default:
		alone = false
	}
	p, err := u.prepare(ctx, db)
	if err != nil {
		return nil, err
	}
	var out []Statement
	first, last := "begin", "commit"
	if len(options) > 0 && options[0].Isolation != "" {
		first += " isolation level " + string(options[0].Isolation)
	}
	around := alone
	if !alone && p.searchable() {
		first, last, around = "savepoint "+savepoint, "release savepoint "+savepoint, true
	}
	if around {
		out = append(out, Statement{SQL: first})
	}
	for i, st := range p.statements {
		s := Statement{SQL: st.SQL, Args: st.Args}
		if ops := p.ops[i]; len(ops) > 0 {
			s.Op, s.Table = kindNames[ops[0].kind], st.Table.Name
			if ops[0].where == nil {
				s.Rows = len(ops)
			}
		}
		out = append(out, s)
	}
	if around {
		out = append(out, Statement{SQL: last})
	}
	return out, nil
}
