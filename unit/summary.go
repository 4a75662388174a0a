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
// were created, because they refer to each other in a ring, count once.
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
			i := slices.IndexFunc(s.Tables, func(t TableSummary) bool { return t.Table == o.table.Name })
			if i < 0 {
				i = len(s.Tables)
				s.Tables = append(s.Tables, TableSummary{Table: o.table.Name})
			}
			t := &s.Tables[i]
			*[...]*int{creates: &t.Created, updates: &t.Updated, patches: &t.Patched, deletes: &t.Deleted}[o.kind]++
		}
	}
	return s
}

// Statement is one statement that a flush would send. It cannot be run by
// itself: it may take keys from a setting that one before it has made.
type Statement struct {
	SQL   string
	Args  []any  // of the types that pgx encodes; they refer to copies of the entities
	Op    string // "create", "update", "patch" or "delete"; empty for what is around them
	Table string // as declared; empty if Op is
	Rows  int    // how many it writes; 0 if Op is empty
}

// plan prepares the unit as flush does for the same handle, and lists what
// would be sent. A pool lends a connection for as long as that takes.
func (u *work) plan(ctx context.Context, db smrt.DB, options []txn.Options) ([]Statement, error) {
	if err := checkCall(ctx, db, options); err != nil {
		return nil, err
	}
	if u.err != nil || len(u.ops) == 0 {
		return nil, u.err
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
		s := Statement{SQL: st.SQL, Args: st.Args, Rows: len(p.ops[i])}
		if s.Rows > 0 {
			s.Op, s.Table = string(st.Op()), st.Table.Name
		}
		out = append(out, s)
	}
	if around {
		out = append(out, Statement{SQL: last})
	}
	return out, nil
}
