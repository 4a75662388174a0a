package meta_test

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// arg is a value as an argument of its column.
func arg[V any](v V) (any, error) { return meta.ColumnFor[V]("c").Arg(unsafe.Pointer(&v)) }

func literal[V any](t *testing.T, v V) string {
	t.Helper()
	a, err := arg(v)
	if err != nil {
		t.Fatal(err)
	}
	s, null, err := meta.Text(a)
	if err != nil {
		t.Fatal(err)
	}
	if null {
		return "NULL"
	}
	return s
}

func TestLiterals(t *testing.T) {
	for want, got := range map[string]string{
		"true":                                 literal(t, true),
		"-7":                                   literal(t, int16(-7)),
		"-8":                                   literal(t, int32(-8)),
		"-9223372036854775808":                 literal(t, int64(math.MinInt64)),
		"5":                                    literal(t, 5),
		"1.5":                                  literal(t, float32(1.5)),
		"0.1":                                  literal(t, 0.1),
		"NaN":                                  literal(t, math.NaN()),
		"Infinity":                             literal(t, math.Inf(1)),
		"-Infinity":                            literal(t, math.Inf(-1)),
		"text":                                 literal(t, label("text")),
		"":                                     literal(t, ""),
		"2024-02-29 01:02:03.000004+05:30:00":  literal(t, time.Date(2024, 2, 29, 1, 2, 3, 4999, time.FixedZone("", 19800))),
		"01000000-0000-0000-0000-000000000000": literal(t, [16]byte{1}),
		`{"a": 1}`:                             literal(t, json.RawMessage(`{"a": 1}`)),
		`{a,"b\"\\c",""}`:                      literal(t, []string{"a", `b"\c`, ""}),
		"{}":                                   literal(t, []string{}),
		`\x00ff`:                               literal(t, []byte{0, 255}),
		"valid":                                literal(t, sql.NullString{String: "valid", Valid: true}),
		"12":                                   literal(t, pgtype.Int4{Int32: 12, Valid: true}),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for i, got := range []string{literal(t, (*int64)(nil)), literal(t, json.RawMessage(nil)), literal(t, []string(nil)), literal(t, []byte(nil)), literal(t, sql.NullString{}), literal(t, pgtype.Int4{})} {
		if got != "NULL" {
			t.Errorf("%d: %s", i, got)
		}
	}
}

func TestArgRefuses(t *testing.T) {
	check := func(what string, want error, offset int) func(any, error) {
		return func(_ any, err error) {
			t.Helper()
			var v *smrt.ValueError
			if !errors.Is(err, want) || !errors.As(err, &v) || v.Column != "c" || v.Offset != offset {
				t.Errorf("%s: %+v", what, err)
			}
		}
	}
	check("NUL", smrt.ErrInvalidText, 1)(arg("a\x00"))
	check("UTF-8", smrt.ErrInvalidText, 2)(arg(label("ü\xff")))
	check("pointer", smrt.ErrInvalidText, 0)(arg(&[]string{"\x00"}[0]))
	check("element", smrt.ErrInvalidText, 0)(arg([]string{"", "\xc3"}))
	check("year", smrt.ErrOutOfRange, -1)(arg(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)))
	check("year", smrt.ErrOutOfRange, -1)(arg(time.Date(294277, 1, 1, 0, 0, 0, 0, time.UTC)))
	check("json", smrt.ErrInvalidJSON, 4)(arg(json.RawMessage(`{"a}`)))
	check("json NUL", smrt.ErrInvalidJSON, 4)(arg(json.RawMessage(`["\"\u0000"]`)))
	for _, fine := range []string{`"\\u0000"`, `"\\\\u0000"`, `"\u0001"`, `"a\\"`, `{}`} {
		if _, err := arg(json.RawMessage(fine)); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
	if _, err := arg("\uFFFD is a character"); err != nil {
		t.Error(err)
	}
}

func TestArrays(t *testing.T) {
	lit := func(a *meta.Array, err error) string {
		t.Helper()
		if err != nil {
			return err.Error()
		}
		text, err := a.TextValue()
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(text.String, len(a.Dimensions()))
	}
	texts := []string{"a", "", "NULL", `{"`, `\`}
	if got := lit(meta.NewArray(meta.ColumnFor[string]("c"), unsafe.Pointer(&texts[0]), unsafe.Sizeof(texts[0]), 5, nil)); got != `{"a","","NULL","{\"","\\"}1` {
		t.Error(got)
	}
	if got := lit(meta.NewArray(meta.ColumnFor[string]("c"), unsafe.Pointer(&texts[0]), unsafe.Sizeof(texts[0]), 5, []int{4, 0})); got != `{"\\","a"}1` {
		t.Error(got)
	}
	if got := lit(meta.NewArray(meta.ColumnFor[string]("c"), nil, 16, 0, nil)); got != "{}0" {
		t.Error(got)
	}
	pointers := []*int32{nil, new(int32)}
	if got := lit(meta.NewArray(meta.ColumnFor[*int32]("c"), unsafe.Pointer(&pointers[0]), unsafe.Sizeof(pointers[0]), 2, nil)); got != `{NULL,"0"}1` {
		t.Error(got)
	}
	bad := []string{"a", "\x00"}
	_, err := meta.NewArray(meta.ColumnFor[string]("c"), unsafe.Pointer(&bad[0]), 16, 2, nil)
	var v *smrt.ValueError
	if !errors.As(err, &v) || v.Row != 1 {
		t.Error(err)
	}
}

func TestZeroAndFinite(t *testing.T) {
	zero := func(c *meta.Column, p unsafe.Pointer) bool { return c.Zero(p) }
	s, n, tm, p := "", int64(0), time.Time{}, (*int64)(nil)
	if !zero(meta.ColumnFor[string]("c"), unsafe.Pointer(&s)) || !zero(meta.ColumnFor[int64]("c"), unsafe.Pointer(&n)) ||
		!zero(meta.ColumnFor[time.Time]("c"), unsafe.Pointer(&tm)) || !zero(meta.ColumnFor[*int64]("c"), unsafe.Pointer(&p)) {
		t.Error("zero values are not zero")
	}
	s, n, tm, p = "a", 1, time.Now(), new(int64)
	if zero(meta.ColumnFor[string]("c"), unsafe.Pointer(&s)) || zero(meta.ColumnFor[int64]("c"), unsafe.Pointer(&n)) ||
		zero(meta.ColumnFor[time.Time]("c"), unsafe.Pointer(&tm)) || zero(meta.ColumnFor[*int64]("c"), unsafe.Pointer(&p)) {
		t.Error("values are zero")
	}
	for f, want := range map[float64]bool{1: false, math.Inf(1): true, math.Inf(-1): true, math.NaN(): true} {
		pf, f32 := &f, float32(f)
		if meta.ColumnFor[float64]("c").NotFinite(unsafe.Pointer(&f)) != want || meta.ColumnFor[*float64]("c").NotFinite(unsafe.Pointer(&pf)) != want ||
			meta.ColumnFor[float32]("c").NotFinite(unsafe.Pointer(&f32)) != want {
			t.Error(f)
		}
	}
	if c := meta.ColumnFor[int32]("c"); c.Type != reflect.TypeFor[int32]() || c.IsArray() || !meta.ColumnFor[[]int32]("c").IsArray() || meta.ColumnFor[[]byte]("c").IsArray() {
		t.Error("arrays")
	}
}

// mood is an enum that checks itself when it is written.
type mood string

func (m mood) Value() (driver.Value, error) {
	if m == "" {
		return nil, nil
	}
	if m != "fine" {
		return nil, errNoMood
	}
	return string(m), nil
}

var errNoMood = errors.New("no such mood")

// TestElementsThatCannotBeWritten: a value that refuses to be written is an
// error and no NULL, in every form that an array travels in.
func TestElementsThatCannotBeWritten(t *testing.T) {
	for _, c := range []struct {
		moods []mood
		want  string
		err   error
	}{
		{[]mood{"fine", ""}, `{"fine",NULL}`, nil},
		{[]mood{"fine", "odd"}, "", errNoMood},
	} {
		a, err := meta.NewArray(meta.ColumnFor[mood]("mood"), unsafe.Pointer(&c.moods[0]), unsafe.Sizeof(c.moods[0]), len(c.moods), nil)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := (meta.AsText{Array: a}).TextValue(); text.String != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q as text: got %q, %v", c.moods, text.String, err)
		}
		for _, format := range []int16{pgtype.TextFormatCode, pgtype.BinaryFormatCode} {
			if _, err := pgtype.NewMap().Encode(pgtype.TextArrayOID, format, meta.AsText{Array: a}, nil); !errors.Is(err, c.err) {
				t.Errorf("%q in format %d: got %v, want %v", c.moods, format, err, c.err)
			}
		}
	}
}
