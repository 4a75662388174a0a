package observe

import (
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/sqltext"
	"github.com/smrt-go/smrt/internal/traced"
)

// width is how large the values of a column were, in all calls together.
type width struct {
	column string
	bytes  uint64
}

// columns returns the widths by column, those of one name together, as they are for all
// rows if the others are like those that were measured.
func (r *record) columns() map[string]uint64 {
	if r.measured == 0 {
		return nil
	}
	columns, each := map[string]uint64{}, max(float64(r.Rows)/float64(r.measured), 1)
	for _, w := range r.widths {
		columns[w.column] += uint64(float64(w.bytes) * each)
	}
	return columns
}

// Which columns make a statement slow to read is seen from the sizes of their values, as
// they come from the server. They are measured where time is, in few rows of each result.

// measure adds the sizes of a result's columns to those of its shape. A text whose columns
// are others now begins anew.
func (s *shape) measure(w *traced.Widths) {
	n := min(len(w.Fields), len(w.Bytes))
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.record
	for i := range n {
		if len(r.widths) != n || r.widths[i].column != w.Fields[i].Name {
			r.widths, r.measured = make([]width, n), 0
			for i := range r.widths {
				r.widths[i].column = w.Fields[i].Name
			}
			break
		}
	}
	for i := range r.widths {
		r.widths[i].bytes += w.Bytes[i]
	}
	r.measured += uint64(w.Rows)
}

// offsetOf returns the number of the argument that is the OFFSET of a text, 0 if there is
// none, and the OFFSET that is in the text itself.
func offsetOf(text string) (number int, deep int64) {
	if !strings.Contains(text, "OFFSET") && !strings.Contains(text, "offset") {
		return 0, 0
	}
	offset := false
	for l := sqltext.New(text); ; {
		t := l.Next()
		if t.Kind == sqltext.End {
			return number, deep
		}
		switch {
		case offset && t.Kind == sqltext.Param:
			number = t.Param()
		case offset && t.Kind == sqltext.Number:
			n, _ := strconv.ParseInt(t.Text, 10, 64)
			deep = max(deep, n)
		}
		offset = t.Is("offset")
	}
}

// sawOffset notes the OFFSET of a call. A shape may be nil.
func (s *shape) sawOffset(args []any) {
	if s == nil || s.offset == 0 {
		return
	}
	for len(args) > 0 { // what pgx takes in front of arguments
		switch args[0].(type) {
		case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
			args = args[1:]
			continue
		case pgx.QueryRewriter:
			return
		}
		break
	}
	if s.offset > len(args) {
		return
	}
	n := int64(0)
	switch v := args[s.offset-1].(type) {
	case int:
		n = int64(v)
	case int32:
		n = int64(v)
	case int64:
		n = v
	case uint64:
		n = int64(min(v, 1<<62))
	}
	for old := s.deep.Load(); n > old && !s.deep.CompareAndSwap(old, n); old = s.deep.Load() {
	}
}
