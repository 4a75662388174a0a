package flush

import (
	"errors"
	"slices"
	"strconv"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
)

// inputs are the arguments of a statement on rows. Their order is: the values
// of the columns, then for each reference the positions of the keys, then for
// each reference the setting that holds them. Two methods follow it: record
// collects the arguments, and write writes the text that names them. They are
// apart because an insert mostly has its text already, and writing it takes a
// third of the time of a flush.
type inputs struct {
	step    *Step
	columns []*meta.Column
	arrays  []table.ArrayType // how the columns travel; nil: one row, by its values
}

// errNotCarried is for columns whose type no array can carry.
var errNotCarried = errors.New("a column has a type that arrays cannot carry")

// newInputs returns the inputs of a step, whose rows travel as arrays or are
// one.
func newInputs(s *Step, arrays bool) (in inputs, err error) {
	in = inputs{step: s, columns: s.arguments()}
	if arrays {
		var ok bool
		if in.arrays, ok = s.Table.ArrayTypes(s.Catalog, in.columns); !ok {
			err = errNotCarried
		}
	}
	return in, err
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
			args = append(args, table.AsLiteral(s.Catalog.Columns[col.Name], col, v))
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

// oneNumbered is the FROM item of a single row that needs a number.
const oneNumbered = "(VALUES (1::bigint)) AS u(ord)"

// write names the arguments. With numbered, rows have a number.
func (in *inputs) write(numbered bool) table.Inputs {
	refs := in.step.Refs
	if in.arrays == nil {
		t := in.step.Table.OneRow(in.columns)
		for i := range refs {
			t.Exprs[refs[i].Column] = in.keys(i) + "[$" + strconv.Itoa(len(in.columns)+i+1) + "::integer]"
		}
		if numbered {
			t.From = oneNumbered
		}
		return t
	}
	columns, arrays := slices.Clip(in.columns), slices.Clip(in.arrays)
	for i := range refs {
		columns, arrays = append(columns, refs[i].Column), append(arrays, table.ArrayType{Param: "integer[]"})
	}
	t := in.step.Table.ManyRows(columns, arrays, numbered)
	for i := range refs {
		t.Exprs[refs[i].Column] = in.keys(i) + "[u.c" + strconv.Itoa(len(in.columns)+i) + "]"
	}
	return t
}

// keys is the array of keys that a reference takes its keys from. The subquery
// makes the server read the setting once for a statement and not once for each
// row.
func (in *inputs) keys(ref int) string {
	n := len(in.columns) + len(in.step.Refs) + ref + 1
	return "((SELECT current_setting($" + strconv.Itoa(n) + ")::" + in.step.Refs[ref].Type + "[]))"
}
