package flush

import (
	"context"
	"reflect"
	"strings"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
)

// Statement is one statement of a unit.
type Statement struct {
	*Step
	SQL  string
	Args []any

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
	r := table.Result{Table: st.Table, Rows: rs, Targets: st.returned}
	n, err := r.Read(func(i int) unsafe.Pointer { return st.Rows.At(min(i, st.Rows.N-1)) })
	if err == nil && n != st.Rows.N && st.Rows.N > 0 && len(st.returned) > 0 {
		err = &smrt.QueryError{Reason: "the database created fewer rows of " + st.Table.Name + " than it was given: a trigger may have left some out"}
	}
	return err
}

// ReadBack copies what st has read into one of its rows to the entity at dst,
// and nothing else.
func (st *Statement) ReadBack(i int, dst unsafe.Pointer) {
	src := st.Rows.At(i)
	for _, t := range st.returned {
		copyColumn(t.Column, dst, src)
	}
}

func copyColumn(col *meta.Column, dst, src unsafe.Pointer) {
	if col.Encode == meta.KindInt64 && !col.Ptr {
		*(*int64)(unsafe.Add(dst, col.Offset)) = *(*int64)(unsafe.Add(src, col.Offset))
		return
	}
	reflect.NewAt(col.Type, unsafe.Add(dst, col.Offset)).Elem().Set(reflect.NewAt(col.Type, unsafe.Add(src, col.Offset)).Elem())
}

// Version returns the version of one of the rows.
func (st *Statement) Version(i int) int64 { return st.Table.Version.Int(st.Rows.At(i)) }

// Explain gives the error of st its type, and the row and the column that it is
// about. It asks db for what the server did not say.
func (st *Statement) Explain(ctx context.Context, db smrt.DB, err error) error {
	st.Table.ForgetTypes(err)
	if types := st.Table.KnownTypes(); types != nil && st.Rows.N > 0 {
		err = st.Table.ExplainRows(ctx, db, err, *types, st.Rows)
	}
	return st.Table.Fail(ctx, db, st.Op(), err)
}
