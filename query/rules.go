package query

import (
	"regexp"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Rule says which values a column of T may hold, or which entities T are valid. See
// [Rules].
type Rule[T any] struct{ rule *meta.Rule }

// Plan returns what r holds, for the packages of this module.
func (r Rule[T]) Plan() *meta.Rule { return r.rule }

// Rules declares what every write checks before a connection is taken:
//
//	var Products = query.NewTable("products", productID, query.Rules(
//		query.NotBlank(Name), query.MaxLength(Name, 80),
//		query.AtLeast(Price, 0), query.OneOf(Status, "draft", "active"),
//		query.Matches(SKU, regexp.MustCompile(`^[A-Z]+-[0-9]+$`)),
//		query.RuleFunc("starts_before_it_ends", func(p *Product) bool { return p.Start.Before(p.End) }, Start, End),
//	))
//
// A write that breaks one sends nothing and returns a *smrt.RuleError with all
// violations. Values are compared as Go does. NULL breaks [Required] and [NotBlank]
// only.
//
// What is checked is what the write knows. Creates and upserts check whole
// entities, without columns that are left to the database: zeros of [Default], of
// [CreatedAt] and of keys that the database makes, and what a unit refers to.
// Updates check the columns that they write; patches and updates by query check what
// they Set, NULL included, and no RuleFunc. What SQL computes is not checked:
// SetExpr, SetTo, SetDefault and [Add]. A constraint of the database holds for those.
//
// NewTable panics for a rule that contradicts the declaration or another rule, and
// for one that nothing can break. Rules may be given several times.
func Rules[T any](rules ...Rule[T]) TableOption[T] {
	return TableOption[T]{declareRules(plan.All(rules))}
}

// declareRules adds rules. They are copied: another table may have them too.
func declareRules(rules []*meta.Rule) setting {
	return func(d *definition) error {
		for _, r := range rules {
			if r == nil {
				return plan.ErrUndeclared
			}
			for _, c := range r.Columns {
				if c == nil || c == plan.Undeclared {
					return plan.ErrUndeclared
				}
			}
			own := *r
			d.table.Rules = append(d.table.Rules, &own)
		}
		return nil
	}
}

// ColumnOf is a column of T, of any of the types of this package, whose values
// compare as V.
type ColumnOf[T, V any] interface {
	AnyColumn[T]
	value(V)
}

// Text are the types of texts that rules take.
type Text interface{ ~string | pgtype.Text }

// Integer are the types of integers that rules take.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | pgtype.Int2 | pgtype.Int4 | pgtype.Int8
}

// Ordered are the types that Go orders as PostgreSQL does. Texts are not among them:
// their order is that of a collation.
type Ordered interface {
	Integer | ~float32 | ~float64 | pgtype.Float4 | pgtype.Float8 | pgtype.Numeric |
		time.Time | pgtype.Timestamptz | pgtype.Timestamp | pgtype.Date
}

// Required refuses NULL: a nil pointer, slice or map, or a struct like those of
// pgtype and database/sql whose field Valid is false. For a column whose field is
// never NULL it is a mistake, and NewTable panics. Zero values are not NULL.
func Required[T any](c AnyColumn[T]) Rule[T] { return ruleOf[T](meta.RuleRequired, c.Plan()) }

// NotBlank refuses NULL, and texts that are empty or have nothing but white space,
// as Unicode defines it.
func NotBlank[T any, V Text](c ColumnOf[T, V]) Rule[T] {
	return ruleOf[T](meta.RuleNotBlank, c.Plan())
}

// AtLeast refuses values below least. Times are compared by microseconds, as the
// server keeps them, a pgtype.Date by its date, and a pgtype.Timestamp by what its
// clock shows. A NaN breaks both AtLeast and AtMost.
func AtLeast[T any, V Ordered](c ColumnOf[T, V], least V) Rule[T] {
	return ruleOf[T](meta.RuleAtLeast, c.Plan(), least)
}

// AtMost refuses values above most. They are compared as for [AtLeast].
func AtMost[T any, V Ordered](c ColumnOf[T, V], most V) Rule[T] {
	return ruleOf[T](meta.RuleAtMost, c.Plan(), most)
}

// MinLength refuses texts of fewer than n characters, which are Unicode code points,
// as for char_length. n is at least 1. Blanks count.
func MinLength[T any, V Text](c ColumnOf[T, V], n int) Rule[T] {
	return ruleOf[T](meta.RuleMinLength, c.Plan(), n)
}

// MaxLength refuses texts of more than n characters. n is at least 1. A varchar(n)
// takes more if the rest are blanks, which it drops.
func MaxLength[T any, V Text](c ColumnOf[T, V], n int) Rule[T] {
	return ruleOf[T](meta.RuleMaxLength, c.Plan(), n)
}

// Matches refuses texts in which the regular expression finds nothing. Begin it with
// ^ and end it with $ to match whole texts.
func Matches[T any, V Text](c ColumnOf[T, V], pattern *regexp.Regexp) Rule[T] {
	return ruleOf[T](meta.RuleMatches, c.Plan(), pattern)
}

// OneOf refuses all other values. Texts are equal if their bytes are, whatever the
// collation of the column says.
func OneOf[T any, V Text | Integer](c ColumnOf[T, V], values ...V) Rule[T] {
	return ruleOf[T](meta.RuleOneOf, c.Plan(), anys(values)...)
}

// RuleFunc refuses entities for which holds returns false. It is checked where a
// write has whole entities. In these, columns that are left to the database are
// zero, and so are keys of rows that a unit has yet to create; a function that is
// about certain columns names them, and is not called where one of them is left to
// the database. The error has the name and these columns.
//
// Several goroutines may call holds at the same time, and more than once for a
// write. It must neither change the entity nor keep it.
func RuleFunc[T any](name string, holds func(*T) bool, columns ...AnyColumn[T]) Rule[T] {
	var breaks func(unsafe.Pointer) bool
	if holds != nil {
		breaks = func(p unsafe.Pointer) bool { return !holds((*T)(p)) }
	}
	return Rule[T]{meta.NewRuleFunc(name, breaks, columnsOf(columns))}
}

func ruleOf[T any](kind meta.RuleKind, c *meta.Column, limits ...any) Rule[T] {
	return Rule[T]{meta.NewRule(kind, c, limits...)}
}

func anys[V any](values []V) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}
