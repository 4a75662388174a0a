package plan_test

import (
	"reflect"
	"strings"
	"testing"

	sq "github.com/Masterminds/squirrel"

	"github.com/smrt-go/smrt/internal/plan"
)

// TestSplitRaw checks fragments against what squirrel makes of them.
func TestSplitRaw(t *testing.T) {
	for _, c := range []struct {
		in    string
		args  int
		want  string
		order []int
	}{
		{"a = 1", 0, "a = 1", nil},
		{"a = $1", 1, "a = $1", []int{0}},
		{"a = $2 AND b = $1", 2, "a = $1 AND b = $2", []int{1, 0}},
		{"$1 + $1", 1, "$1 + $2", []int{0, 0}},
		{"a ? 'k'", 0, "a ? 'k'", nil},
		{"a ?| $1", 1, "a ?| $1", []int{0}},
		{"$1?$2", 2, "$1 ?$2", []int{0, 1}},
		{"$1 $2", 2, "$1 $2", []int{0, 1}},
		{"a ?? $1", 1, "a ?? $1", []int{0}},
		{"'?$1'", 0, "'?$1'", nil},
		{`"?$1"`, 0, `"?$1"`, nil},
		{`E'\'$1' || $1`, 1, `E'\'$1' || $1`, []int{0}},
		{`e'\\' || $1`, 1, `e'\\' || $1`, []int{0}},
		{`'\' || $1`, 1, `'\' || $1`, []int{0}},
		{`'it''s $1'`, 0, `'it''s $1'`, nil},
		{"$$a$1?$$", 0, "$$a$1?$$", nil},
		{"$x$ $y$ $$ ; -- $x$ || $1", 1, "$x$ $y$ $$ ; -- $x$ || $1", []int{0}},
		{"a - $1", 1, "a - $1", []int{0}},
		{"a -$1", 1, "a -$1", []int{0}},
		{"a / b * c", 0, "a / b * c", nil},
		{"((a)) = ($1)", 1, "((a)) = ($1)", []int{0}},
		{"')' || '('", 0, "')' || '('", nil},
		{"$12 + $1 + $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 + $10 + $11", 12, "$1 + $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 + $10 + $11 + $12", []int{11, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
	} {
		text, order, err := plan.SplitRaw(c.in, c.args)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		got, err := sq.Dollar.ReplacePlaceholders(text)
		if err != nil || got != c.want || !reflect.DeepEqual(order, c.order) {
			t.Errorf("%s: got %s %v, want %s %v; %v", c.in, got, order, c.want, c.order, err)
		}
	}
}

func TestSplitRawRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":              "empty",
		"\n":            "empty",
		"a -- b":        "comments",
		"a /* b */":     "comments",
		"a;b":           "semicolon",
		"'a":            "does not end",
		`E'a\'`:         "does not end",
		`"a`:            "does not end",
		"$$a$":          "does not end",
		"$a$ $A$":       "does not end",
		"a)":            "closes nothing",
		"(a":            "not closed",
		")(":            "closes nothing",
		"$1":            "no argument",
		"$0":            "no argument",
		"$999999999999": "no argument",
		"a\x00":         "NUL",
		"a\xff":         "UTF-8",
	} {
		if _, _, err := plan.SplitRaw(in, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
	for in, want := range map[string]string{"a": "not used", "'$1'": "not used", "a$1": "touches", "$1a": "touches", "$1$1": "touches", "$1 $2": "no argument"} {
		if _, _, err := plan.SplitRaw(in, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

// FuzzRaw checks that a fragment which passes is what it was, with as many
// placeholders as arguments, and that it stays inside its parentheses.
func FuzzRaw(f *testing.F) {
	for _, seed := range []string{"a = $1", "a ? $1", "$1?", "$1$1", "'a' || $1", `E'\'' || $1`, "$$ $1 $$", "$a$ ? $a$ $1", `"a?" = $1`, "(($1))", "a -- $1", "a$1", "??$1??", "$1::text ?| x"} {
		f.Add(seed, 1)
	}
	f.Fuzz(func(t *testing.T, in string, args int) {
		if args < 0 || args > 20 {
			return
		}
		text, order, err := plan.SplitRaw(in, args)
		if err != nil {
			return
		}
		got, err := sq.Dollar.ReplacePlaceholders(text)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(in, "\x00") || strings.TrimSpace(in) == "" {
			t.Fatalf("%q passed", in)
		}
		if strings.Count(got, "?") != strings.Count(in, "?") {
			t.Fatalf("%q became %q: question marks", in, got)
		}
		used := make([]bool, args)
		for _, o := range order {
			used[o] = true
		}
		for i, u := range used {
			if !u {
				t.Fatalf("%q: argument %d is lost", in, i+1)
			}
		}
		// What was numbered anew passes again and stays as it is.
		again, order2, err := plan.SplitRaw(got, len(order))
		if err != nil {
			t.Fatalf("%q became %q: %v", in, got, err)
		}
		if same, _ := sq.Dollar.ReplacePlaceholders(again); same != got || len(order2) != len(order) {
			t.Fatalf("%q became %q, then %q", in, got, same)
		}
		for i, o := range order2 {
			if i != o {
				t.Fatalf("%q became %q: %v", in, got, order2)
			}
		}
	})
}
