package flush

import (
	"errors"
	"strconv"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
)

// inputs are the arguments of a statement on rows. Their order is: the values of
// the columns, then for each reference the positions of the keys, then for each
// reference the setting that holds them. Two methods follow it: record collects
// the arguments, and write writes the text that names them. They are apart
// because an insert mostly has its text already, and writing it takes a third of
// the time of a flush.
type inputs struct {
	step    *Step
	columns []*meta.Column
	arrays  []table.ArrayType // how the columns travel; nil: one row, by its values
}

// errNotCarried is for columns whose type no array can carry.
var errNotCarried = errors.New("a column has a type that arrays cannot carry")

// newInputs returns the inputs of a step whose rows travel as arrays.
func newInputs(s *Step, columns []*meta.Column) (*inputs, error) {
	arrays, ok := s.Table.ArrayTypes(*s.Types, columns)
	if !ok {
		return nil, errNotCarried
	}
	return &inputs{step: s, columns: columns, arrays: arrays}, nil
}

// record returns the arguments, with room for one more.
func (in *inputs) record() ([]any, error) {
	s := in.step
	args := make([]any, 0, len(in.columns)+2*len(s.Refs)+1)
	if in.arrays == nil {
		for _, col := range in.columns {
			v, err := col.Arg(s.Rows.At(0))
			if err != nil {
				return nil, meta.AtRow(s.Table.Named(err), 0)
			}
			args = append(args, table.AsLiteral((*s.Types)[col.Name], col, v))
		}
		for i := range s.Refs {
			args = append(args, s.Refs[i].At[0])
		}
	} else {
		values, err := table.Arrays(in.columns, in.arrays, s.Rows, nil)
		if err != nil {
			return nil, s.Table.Named(err)
		}
		args = append(args, values...)
		for i := range s.Refs {
			args = append(args, s.Refs[i].At)
		}
	}
	for i := range s.Refs {
		args = append(args, s.Refs[i].Setting)
	}
	return args, nil
}

// next returns the placeholder of the argument after those of record.
func (in *inputs) next() string {
	return "$" + strconv.Itoa(len(in.columns)+2*len(in.step.Refs)+1)
}

// text names the arguments of a statement.
type text struct {
	from  string // the FROM item whose rows u(c0, c1, ...) the arrays are; empty: none
	exprs map[*meta.Column]string
	count string // how many rows there are
}

// write writes the text that names the arguments. With ordinality the rows of
// the FROM item are numbered.
func (in *inputs) write(ordinality bool) text {
	s := in.step
	t := text{exprs: make(map[*meta.Column]string, len(in.columns)+len(s.Refs))}
	if in.arrays == nil {
		for i, col := range in.columns {
			t.exprs[col] = "$" + strconv.Itoa(i+1)
		}
		for i := range s.Refs {
			t.exprs[s.Refs[i].Column] = in.keys(i) + "[$" + strconv.Itoa(len(in.columns)+i+1) + "::integer]"
		}
		return t
	}
	arrays := in.arrays
	for range s.Refs {
		arrays = append(arrays, table.ArrayType{Param: "integer[]"})
	}
	var exprs []string
	t.from, exprs = table.Unnest(arrays, ordinality)
	for i, col := range in.columns {
		t.exprs[col] = exprs[i]
	}
	for i := range s.Refs {
		t.exprs[s.Refs[i].Column] = in.keys(i) + "[" + exprs[len(in.columns)+i] + "]"
	}
	t.count = "cardinality($1::" + arrays[0].Param + ")"
	return t
}

// keys is the array of keys that a reference takes its keys from. The subquery
// makes the server read the setting once for a statement and not once for each
// row.
func (in *inputs) keys(ref int) string {
	n := len(in.columns) + len(in.step.Refs) + ref + 1
	return "((SELECT current_setting($" + strconv.Itoa(n) + ")::" + in.step.Refs[ref].Type + "[]))"
}
