package query

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// TextColumn is a column of text. It has searches in addition to comparisons. No
// search matches NULL.
type TextColumn[T any, V ~string | pgtype.Text] struct{ Column[T, V] }

// TextCol declares a column of text. Where it can be NULL, its field is a
// pgtype.Text, or see [NullTextCol].
func TextCol[T any, V ~string | pgtype.Text](field func(*T) *V) TextColumn[T, V] {
	return TextColumn[T, V]{Col(field)}
}

// NullTextCol declares a column of text that can be NULL, whose field is a
// pointer.
func NullTextCol[T any, V ~string](field func(*T) **V) TextColumn[T, V] {
	return TextColumn[T, V]{NullCol(field)}
}

// likeEscaper escapes a text so that it matches itself in a LIKE pattern.
var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// literal matches text literally, with the given wildcards around it. The empty
// text matches every row that is not NULL.
func literal(x plan.Expression, op plan.Op, before, text, after string) plan.Node {
	if text == "" {
		if x.Declared().Nullable || x.Column == nil {
			return x.Node(plan.NotNull, nil)
		}
		return plan.Node{Op: plan.True}
	}
	return x.Node(op, before+likeEscaper.Replace(text)+after)
}

// like matches text by a pattern of LIKE.
func like(x plan.Expression, op plan.Op, pattern string) plan.Node {
	n := x.Node(op, pattern)
	if trailing := len(pattern) - len(strings.TrimRight(pattern, `\`)); trailing%2 == 1 {
		n.Err = &smrt.QueryError{Reason: "the pattern for column " + x.Declared().Name + ` ends in a \ that escapes nothing: double it`}
	}
	return n
}

// HasPrefix matches rows whose text begins with prefix. The characters %, _ and
// \ stand for themselves.
func (c TextColumn[T, V]) HasPrefix(prefix string) Predicate[T] {
	return Predicate[T]{literal(c.x, plan.Like, "", prefix, "%")}
}

// HasSuffix matches rows whose text ends with suffix, taken literally.
func (c TextColumn[T, V]) HasSuffix(suffix string) Predicate[T] {
	return Predicate[T]{literal(c.x, plan.Like, "%", suffix, "")}
}

// Contains matches rows whose text contains part, taken literally.
func (c TextColumn[T, V]) Contains(part string) Predicate[T] {
	return Predicate[T]{literal(c.x, plan.Like, "%", part, "%")}
}

// ContainsFold matches rows whose text contains part, ignoring case.
func (c TextColumn[T, V]) ContainsFold(part string) Predicate[T] {
	return Predicate[T]{literal(c.x, plan.ILike, "%", part, "%")}
}

// Like matches rows whose text matches an SQL pattern, in which % stands for
// any text, _ for any character and \ escapes. A pattern must not end in an
// unescaped \.
func (c TextColumn[T, V]) Like(pattern string) Predicate[T] {
	return Predicate[T]{like(c.x, plan.Like, pattern)}
}

// ILike matches rows whose text matches an SQL pattern, ignoring case.
func (c TextColumn[T, V]) ILike(pattern string) Predicate[T] {
	return Predicate[T]{like(c.x, plan.ILike, pattern)}
}

// EqFold matches rows whose text equals text, ignoring case. An index on
// lower(column) serves it.
func (c TextColumn[T, V]) EqFold(text string) Predicate[T] {
	return Predicate[T]{c.x.Node(plan.EqFold, text)}
}

// Regexp matches rows in whose text the regular expression finds something. It is
// one of PostgreSQL, whose syntax is close to that of package regexp; one that the
// server cannot read is smrt.ErrBadQuery. Texts of users may take the server long.
func (c TextColumn[T, V]) Regexp(expr string) Predicate[T] {
	return Predicate[T]{c.x.Node(plan.Regexp, expr)}
}

// RegexpFold is [TextColumn.Regexp] that ignores case.
func (c TextColumn[T, V]) RegexpFold(expr string) Predicate[T] {
	return Predicate[T]{c.x.Node(plan.RegexpFold, expr)}
}

// Collate returns x as it compares, and is ordered, by another collation:
//
//	swedish := query.Collate(Name, "sv-x-icu")
//	query.Where(swedish.Ge("Å")).OrderBy(swedish.Asc())
//
// The name is a constant of the program, without a schema and without quotes. One
// that the server does not have is its error, with SQLSTATE 42704.
func Collate[T any, V ~string | pgtype.Text](x Operand[T, V], collation constant) Expr[T, V] {
	return Expr[T, V]{plan.Collated(element[V](), x.Plan(), string(collation))}
}

// ArrayColumn is a column that is an array of E.
type ArrayColumn[T, E any] struct{ Column[T, []E] }

// ArrayCol declares a column that is an array.
func ArrayCol[T, E any](field func(*T) *[]E) ArrayColumn[T, E] {
	return ArrayColumn[T, E]{Col(field)}
}

// Has matches rows whose array has the element v.
func (c ArrayColumn[T, E]) Has(v E) Predicate[T] { return Predicate[T]{c.x.Node(plan.ArrayHas, v)} }

// ContainsAll matches rows whose array contains every element of vs; with no
// vs, all rows whose array is not NULL.
func (c ArrayColumn[T, E]) ContainsAll(vs ...E) Predicate[T] {
	if len(vs) == 0 {
		return c.IsNotNull()
	}
	return Predicate[T]{c.x.Node(plan.ArrayContains, append([]E{}, vs...))}
}

// Overlaps matches rows whose array has an element in common with vs; with no
// vs, none.
func (c ArrayColumn[T, E]) Overlaps(vs ...E) Predicate[T] {
	if len(vs) == 0 {
		return Predicate[T]{plan.Node{Op: plan.False}}
	}
	return Predicate[T]{c.x.Node(plan.Overlaps, append([]E{}, vs...))}
}

// Within matches rows whose array has only elements that vs has too; with no
// vs, rows whose array is empty.
func (c ArrayColumn[T, E]) Within(vs ...E) Predicate[T] {
	return Predicate[T]{c.x.Node(plan.ArrayWithin, append([]E{}, vs...))}
}

// JSONColumn is a column of type jsonb.
type JSONColumn[T, V any] struct{ Column[T, V] }

// JSONCol declares a column of type jsonb. The field may be a json.RawMessage, a
// []byte, or any type that encoding/json reads.
func JSONCol[T, V any](field func(*T) *V) JSONColumn[T, V] { return JSONColumn[T, V]{Col(field)} }

// Contains matches rows whose document contains the JSON encoding of v, in the
// sense of PostgreSQL's @> operator, which a GIN index serves.
func (c JSONColumn[T, V]) Contains(v any) Predicate[T] {
	n := c.x.Node(plan.JSONContains, nil)
	n.A, n.Err = encodeJSON(c.x.Declared(), v)
	return Predicate[T]{n}
}

// HasKey matches rows whose document is an object with the key, or an array
// with that string.
func (c JSONColumn[T, V]) HasKey(key string) Predicate[T] {
	return Predicate[T]{c.x.Node(plan.JSONHasKey, key)}
}

// PathEq matches rows whose document has, at path, a value that equals the JSON
// encoding of v. The path travels as an argument and never becomes part of the
// SQL text.
func (c JSONColumn[T, V]) PathEq(v any, path ...string) Predicate[T] {
	n := c.x.Node(plan.JSONPathEq, append([]string{}, path...))
	n.B, n.Err = encodeJSON(c.x.Declared(), v)
	return Predicate[T]{n}
}

// PathText matches rows whose document has, at path, a value that equals text
// when it is read as text.
func (c JSONColumn[T, V]) PathText(text string, path ...string) Predicate[T] {
	return Predicate[T]{plan.Node{Op: plan.JSONPathText, Column: c.Plan(), A: append([]string{}, path...), B: text}}
}

func encodeJSON(c *meta.Column, v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, &smrt.ValueError{
			Column: c.Name, Row: -1, Offset: -1, Err: smrt.ErrInvalidJSON, Cause: err,
			Reason: "a value of type " + reflect.TypeOf(v).String() + " cannot be encoded",
		}
	}
	if err := c.CheckValue(json.RawMessage(b)); err != nil {
		return nil, err
	}
	return string(b), nil
}

// RangeColumn is a column that is a range of E.
type RangeColumn[T, E any] struct {
	Column[T, pgtype.Range[E]]
}

// RangeCol declares a column that is a range.
func RangeCol[T, E any](field func(*T) *pgtype.Range[E]) RangeColumn[T, E] {
	return RangeColumn[T, E]{Col(field)}
}

// Has matches rows whose range contains v.
func (c RangeColumn[T, E]) Has(v E) Predicate[T] {
	// v is sent as a range of one point: the server infers that an argument
	// without a type is a range.
	return c.Contains(pgtype.Range[E]{Lower: v, Upper: v, LowerType: pgtype.Inclusive, UpperType: pgtype.Inclusive, Valid: true})
}

// Contains matches rows whose range contains all of r.
func (c RangeColumn[T, E]) Contains(r pgtype.Range[E]) Predicate[T] {
	return Predicate[T]{c.x.Node(plan.RangeContains, r)}
}

// Overlaps matches rows whose range has a point in common with r.
func (c RangeColumn[T, E]) Overlaps(r pgtype.Range[E]) Predicate[T] {
	return Predicate[T]{c.x.Node(plan.Overlaps, r)}
}

// SearchColumn is a column of type tsvector.
type SearchColumn[T, V any] struct {
	Column[T, V]
	config string
}

// SearchCol declares a column of type tsvector whose text was parsed with a text
// search configuration, such as "english" or "simple".
func SearchCol[T, V any](config constant, field func(*T) *V) SearchColumn[T, V] {
	return SearchColumn[T, V]{Col(field), string(config)}
}

// Matches selects rows that match a web-style search: all words must occur,
// "quoted phrases" in order, "or" for either, "-" to exclude. No input is a
// syntax error. Input without words matches nothing.
func (c SearchColumn[T, V]) Matches(words string) Predicate[T] {
	return Predicate[T]{plan.Node{Op: plan.Matches, Column: c.Plan(), A: c.config, B: words}}
}
