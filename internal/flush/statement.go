package flush

import (
	"context"
	"strings"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/internal/traced"
)

// Statement is one statement of a unit.
type Statement struct {
	*Step
	SQL  string
	Args []any

	Affected int64 // rows that a statement without a result wrote

	match    []*meta.Column // columns by which a row is found among those of the step
	returned []meta.Target
}

// Statements makes the statements of a plan, one for each step. After an error
// it returns those before it, whose number is that of the step at fault.
func Statements(steps []Step) ([]Statement, error) {
	list := make([]Statement, 0, len(steps))
	for i := range steps {
		st, err := steps[i].Statement()
		if err != nil {
			return list, err
		}
		if s := &steps[i]; s.Table != nil && s.Kind != Insert { // whose text is kept, with its name
			traced.Pass(st.SQL, s.Table.Name, string(s.Op()))
		}
		list = append(list, st)
	}
	return list, nil
}

// Statement makes the statement of s.
func (s *Step) Statement() (Statement, error) {
	switch s.Kind {
	case Insert:
		return s.insert()
	case Update:
		return s.update()
	case Patch:
		return s.patch()
	case Delete:
		return s.delete()
	case Backfill:
		return s.backfill()
	case Nullify:
		return s.nullify()
	case UpdateWhere, DeleteWhere, Planned:
		return Statement{Step: s, SQL: s.Built.SQL, Args: s.Built.Args}, nil
	case ReserveKeys:
		return s.reserveKeys(), nil
	case SetConstraints:
		return Statement{Step: s, SQL: "SET CONSTRAINTS " + strings.Join(s.Constraints, ", ") + " DEFERRED"}, nil
	case CheckConstraints:
		return Statement{Step: s, SQL: "SET CONSTRAINTS " + strings.Join(s.Constraints, ", ") + " IMMEDIATE"}, nil
	}
	return Statement{Step: s, SQL: failIfMissedSQL}, nil
}

// HasResult reports whether st returns rows.
func (st *Statement) HasResult() bool { return st.Finds() || len(st.returned) > 0 }

// Receive reads the result of st into the copies of its rows. It returns a
// [MissedError] for rows that were not found.
func (st *Statement) Receive(rs pgx.Rows) error {
	defer rs.Close()
	if st.Finds() {
		return st.receiveFound(rs)
	}
	of := table.Entities{Rows: st.Rows}
	r := table.Result{
		Table: st.Table, Rows: rs, Unordered: st.Unordered,
		Statement: &table.Statement{Match: st.match, Returned: st.returned},
	}
	_, err := r.Read(of, nil)
	if err == nil && st.ranked() {
		st.Table.ByRank(of, st.returned)
	}
	return err
}

// Count takes and checks how many rows a statement without a result wrote.
func (st *Statement) Count(affected int64) error {
	st.Affected = affected
	if st.Kind != Insert || st.guards() || affected == int64(st.Rows.N) {
		return nil
	}
	return &smrt.LeftOutError{Table: st.Table.Name, Sent: st.Rows.N, Written: int(affected)}
}

// ReadBack copies what st has read into one of its rows to the entity at dst,
// and nothing else.
func (st *Statement) ReadBack(i int, dst unsafe.Pointer) {
	table.CopyColumns(dst, st.Rows.At(i), st.returned)
}

// Version returns the version of one of the rows.
func (st *Statement) Version(i int) int64 { return st.Table.Version.Int(st.Rows.At(i)) }

// Explain gives the error of st its type, and the row and the column that it is
// about. It asks db for what the server did not say.
func (st *Statement) Explain(ctx context.Context, db smrt.DB, err error) error {
	st.Table.ForgetCatalog(db, err)
	if st.Kind == Insert && st.guards() {
		err = st.Table.GuardError(err, st.Rows.N)
	}
	if st.Rows.N > 0 {
		err = st.Table.ExplainRows(ctx, db, err, st.Catalog, st.Rows)
	}
	if st.Where != nil {
		err = st.Table.ExplainRequest(ctx, db, err, st.Where)
	}
	return st.Table.Fail(ctx, db, st.Op(), err)
}
