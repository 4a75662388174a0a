package table

import (
	"strconv"

	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/traced"
)

// Limit refuses a write by query that is beyond the limits of a call, which may be
// nil. If the call limits how many rows a write affects, the server is made to fail
// if there are more, so that they are undone before anybody sees them, wherever the
// statement is sent.
func (t *Table) Limit(call *limit.Call, r *plan.Request, st *plan.Statement) error {
	if call == nil {
		return nil
	}
	if err := call.Operands(st.Args[min(assigned(r), len(st.Args)):]); err != nil {
		return err
	}
	if r.Verb == plan.Select {
		return nil
	}
	if r.Spec.OrEmpty().Vacuous() {
		if err := call.Unbounded(); err != nil {
			return err
		}
	}
	most, limited := call.MostAffected()
	if !limited {
		return nil
	}
	st.Args = append(st.Args[:len(st.Args):len(st.Args)], most)
	st.SQL = traced.Pass(atMost(st.SQL, r.List != "", len(st.Args)), t.Name, operations[r.Verb])
	return nil
}

var operations = map[plan.Verb]string{plan.Update: "update", plan.Delete: "delete"}

// assigned returns how many arguments of a write are values that it assigns, which
// come first.
func assigned(r *plan.Request) (n int) {
	for i := range r.Sets {
		switch s := &r.Sets[i]; s.Op {
		case plan.SetValue, plan.SetAdd:
			n++
		case plan.SetRaw:
			n += len(s.Args)
		}
	}
	return n
}

// atMost makes a write, which may return rows, fail if there are more of them than
// its last argument says. Else there are as many rows in the result as were written.
// The error is that of [Guarded]. The condition is looked at before the first row
// leaves the server.
func atMost(write string, returns bool, last int) string {
	if !returns {
		write += " RETURNING 1"
	}
	const written = "(SELECT pg_catalog.count(*) FROM smrt_w)"
	return "WITH smrt_w AS (" + write + ") SELECT * FROM smrt_w WHERE CASE WHEN " + written + " > $" + strconv.Itoa(last) +
		"::bigint THEN pg_catalog.width_bucket(0::float8, 0::float8, 0::float8, " + written + "::integer) = 0 ELSE true END"
}

// LimitError returns err, or what it means if it is that of a write that the server
// refused because it affects too many rows.
func LimitError(call *limit.Call, err error) error {
	if most, limited := call.MostAffected(); limited && pgerr.IsGuard(err) {
		return call.Undone(most + 1)
	}
	return err
}
