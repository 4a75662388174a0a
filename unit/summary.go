package unit

import (
	"cmp"
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
	Statements int            // between BEGIN and COMMIT, without those of functions

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
	t := s.table(o.table.Name)
	*[...]*int{
		creates: &t.Created, updates: &t.Updated, patches: &t.Patched, deletes: &t.Deleted,
		updatesWhere: &t.Updated, deletesWhere: &t.Deleted,
	}[o.kind] += n
}

// table returns what was written to a table.
func (s *Summary) table(name string) *TableSummary {
	i := slices.IndexFunc(s.Tables, func(t TableSummary) bool { return t.Table == name })
	if i < 0 {
		i = len(s.Tables)
		s.Tables = append(s.Tables, TableSummary{Table: name})
	}
	return &s.Tables[i]
}

// describe names the writes in the order they were added.
func (u *work) describe() string {
	var b strings.Builder
	for i := 0; i < len(u.ops); {
		o, n := u.ops[i], 1
		for i+n < len(u.ops) && u.ops[i+n].table == o.table && u.ops[i+n].kind == o.kind && u.ops[i+n].phase == o.phase {
			n++
		}
		switch {
		case i > 0 && u.ops[i-1].phase < o.phase:
			b.WriteString(", then ")
		case i > 0:
			b.WriteString(", ")
		}
		if o.run != nil {
			b.WriteString("a " + kindNames[o.kind])
		} else {
			b.WriteString(kindNames[o.kind] + " " + o.table.Name)
		}
		if n > 1 {
			fmt.Fprintf(&b, " (%d)", n)
		}
		i += n
	}
	if u.err != nil {
		fmt.Fprintf(&b, " (refused: %v)", u.err)
	}
	return cmp.Or(b.String(), "nothing")
}

// Statement is one statement that a flush would send. It cannot be run by
// itself: it may take keys from a setting that one before it has made.
type Statement struct {
	SQL   string
	Args  []any  // of the types that pgx encodes; they refer to copies of the entities
	Op    string // as in RowError, or "function"; empty for what is around them
	Table string // as declared; empty for a function, and if Op is empty
	Rows  int    // how many it writes; 0 if the server finds the rows, and if Table is empty
}

// plan prepares the unit as flush does for the same handle, and lists what
// would be sent. A pool lends a connection for as long as that takes.
func (u *work) plan(ctx context.Context, db smrt.DB, options []txn.Options) ([]Statement, error) {
	if err := checkCall(ctx, db, options); err != nil {
		return nil, err
	}
	switch {
	case u.busy:
		return nil, errBusy
	case u.err != nil:
		return nil, u.err
	}
	if err := u.checkRules(); err != nil {
		return nil, err
	}
	if u.idle() {
		return nil, u.check()
	}
	db = root(db)
	alone := handle.Check(ctx, db) == nil
	on, opens, err := handle.Openly(ctx, db)
	if err != nil {
		return nil, err
	}
	switch h := on.(type) {
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
	part := u
	if u.functions > 0 {
		if err := u.check(); err != nil {
			return nil, err
		}
		part = u.firstSegment()
	}
	var out []Statement
	if alone {
		begin := "begin"
		if len(options) > 0 && options[0].Isolation != "" {
			begin += " isolation level " + string(options[0].Isolation)
		}
		out = append(out, Statement{SQL: begin})
		if opens.SQL != "" {
			out = append(out, Statement{SQL: opens.SQL, Args: opens.Args})
		}
	}
	if !part.idle() {
		p, err := part.prepare(ctx, db)
		if err != nil {
			return nil, err
		}
		out = append(out, p.list(alone && u.functions == 0)...)
	}
	switch {
	case u.functions > 0:
		out = append(out, Statement{Op: kindNames[runs]})
	case alone:
		out = append(out, Statement{SQL: "commit"})
	}
	return out, nil
}

// list returns the statements. In a transaction that does more than that, a
// savepoint may be around them.
func (p *prepared) list(alone bool) []Statement {
	var out []Statement
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
	if alone || !p.searchable() {
		return out
	}
	out = slices.Insert(out, 0, Statement{SQL: "savepoint " + savepoint})
	return append(out, Statement{SQL: "release savepoint " + savepoint})
}
