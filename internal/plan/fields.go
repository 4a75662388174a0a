package plan

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// ParseValue returns the value of c's type that a text means: numbers and
// booleans as Go writes them, times in RFC 3339 or as a date, and other types by
// their UnmarshalText, or as the server writes them.
func ParseValue(c *meta.Column, text string) (any, error) {
	t := c.Type
	if c.Ptr {
		t = t.Elem()
	}
	v := reflect.New(t)
	err := parse(v, text)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil, &smrt.QueryError{Reason: fmt.Sprintf("column %q cannot be compared with a text: its type is %s", c.Name, t)}
	case err != nil:
		return nil, &smrt.ValueError{
			Column: c.Name, Row: -1, Offset: -1, Err: smrt.ErrWrongType, Cause: err,
			Reason: "a text does not say a value of type " + t.String(),
		}
	}
	return v.Elem().Interface(), nil
}

func parse(p reflect.Value, text string) (err error) {
	v := p.Elem()
	switch to := p.Interface().(type) {
	case *time.Time:
		*to, err = time.Parse(time.RFC3339Nano, text)
		if err != nil {
			*to, err = time.Parse(time.DateOnly, text)
		}
		return err
	case encoding.TextUnmarshaler:
		return to.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		v.SetBool(b)
		return err
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		v.SetInt(n)
		return err
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(text, v.Type().Bits())
		v.SetFloat(f)
		return err
	case reflect.Array:
		var u pgtype.UUID
		if v.Type().ConvertibleTo(reflect.TypeOf(u.Bytes)) {
			err := u.Scan(text)
			v.Set(reflect.ValueOf(u.Bytes).Convert(v.Type()))
			return err
		}
	}
	types := pgtype.NewMap()
	known, ok := types.TypeForValue(v.Interface())
	if !ok || v.Kind() == reflect.Slice { // of arrays, a text may have more dimensions
		return errors.ErrUnsupported
	}
	return types.Scan(known.OID, pgtype.TextFormatCode, []byte(text), p.Interface())
}

// comparisons are the operators that a value may be compared by.
var comparisons = map[string]Op{"=": Eq, "<>": Ne, "<": Lt, "<=": Le, ">": Gt, ">=": Ge}

// CompareText returns the condition that c compares with the value that a text
// means, as op says.
func CompareText(c *meta.Column, op, text string) (Node, error) {
	o, ok := comparisons[op]
	switch {
	case !ok:
		return Node{}, badComparison(op)
	case c == Undeclared:
		return Node{}, ErrUndeclared
	}
	v, err := ParseValue(c, text)
	if err != nil {
		return Node{}, err
	}
	if o == Ne && c.Nullable {
		o = Distinct
	}
	return Node{Op: o, Column: c, A: v}, nil
}

// ParseOrder returns the order that a text names, see query.Fields.
func ParseOrder(text string, field func(name string) (*meta.Column, error)) ([]meta.Order, error) {
	if text == "" {
		return nil, nil
	}
	var out []meta.Order
	for name := range strings.SplitSeq(text, ",") {
		name, desc := strings.CutPrefix(strings.TrimSpace(name), "-")
		c, err := field(name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o meta.Order) bool { return o.Column == c }) {
			return nil, &smrt.QueryError{Reason: fmt.Sprintf("an order names the same column twice, the second time as %.40q", name)}
		}
		out = append(out, meta.Order{Column: c, Desc: desc})
	}
	return out, nil
}
