package flush

import (
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
)

// missedSetting is the setting in which a statement notes that it has not found
// all of its rows.
const missedSetting = "smrt.missed"

// note notes that a condition holds. It adds no row to the result, because NULL
// is not true.
func note(nulls, condition string) string {
	return " UNION ALL SELECT 0::bigint" + nulls + " WHERE CASE WHEN " + condition + " THEN set_config('" + missedSetting + "', 'yes', true) = 'yes' END"
}

// failIfMissedSQL raises an error if a row was not found. SQL has no statement
// for that; this error is that of a histogram without buckets.
const failIfMissedSQL = "SELECT width_bucket(0::float8, 0::float8, 0::float8, length(current_setting('" + missedSetting + "', true))) " +
	"WHERE current_setting('" + missedSetting + "', true) = 'yes'"

// MissedError reports rows that a statement has not found.
type MissedError struct{ Rows []Missed }

// Missed is a row that a statement has not found.
type Missed struct {
	Row   int
	Stale bool // it exists, with another version
}

// Error is for whoever prints it before the row is named.
func (e *MissedError) Error() string { return "row not found" }

// receiveFound reads the result of a statement that must find its rows: the
// number of each row that was found, from 1, with what is read back of it. The
// number of a row that exists with another version is negative; 0 is none.
func (st *Statement) receiveFound(rs pgx.Rows) error {
	found := make([]int8, st.Rows.N)
	var lead, d meta.Decoder
	var ord int64
	for first := true; rs.Next(); first = false {
		if first {
			lead.Init(st.Table.Name, []meta.Target{{Column: table.OrdinalColumn}}, rs, false)
			d.InitFrom(st.Table.Name, st.returned, rs, 1)
		}
		if err := lead.Row(rs, unsafe.Pointer(&ord)); err != nil {
			return err
		}
		switch {
		case ord == 0:
			continue
		case ord < 0:
			found[-ord-1] = -1
			continue
		}
		found[ord-1] = 1
		if err := d.Row(rs, st.Rows.At(int(ord-1))); err != nil {
			return err
		}
	}
	if err := rs.Err(); err != nil {
		return err
	}
	missed := &MissedError{}
	for i, f := range found {
		if f < 1 {
			missed.Rows = append(missed.Rows, Missed{Row: i, Stale: f < 0})
		}
	}
	if len(missed.Rows) == 0 {
		return nil
	}
	return missed
}
