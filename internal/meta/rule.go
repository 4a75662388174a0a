package meta

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

// RuleKind is what a rule asks for. Its text is part of the public errors.
type RuleKind string

// The kinds of rules.
const (
	RuleRequired  RuleKind = "required"   // no NULL
	RuleNotBlank  RuleKind = "not_blank"  // neither NULL nor white space alone
	RuleAtLeast   RuleKind = "at_least"   // Limits has the bound
	RuleAtMost    RuleKind = "at_most"    // Limits has the bound
	RuleMinLength RuleKind = "min_length" // in characters
	RuleMaxLength RuleKind = "max_length" // in characters
	RuleMatches   RuleKind = "matches"    // a regular expression of package regexp
	RuleOneOf     RuleKind = "one_of"     // Limits has the values
	RuleFunc      RuleKind = "func"       // a function of the program on the entity
)

// functions are the names of what declares the kinds.
var functions = map[RuleKind]string{
	RuleRequired: "Required", RuleNotBlank: "NotBlank", RuleAtLeast: "AtLeast", RuleAtMost: "AtMost",
	RuleMinLength: "MinLength", RuleMaxLength: "MaxLength", RuleMatches: "Matches", RuleOneOf: "OneOf", RuleFunc: "RuleFunc",
}

// Rule is a rule for the values of a column, or for entities. Its exported fields
// are plain, so that they can be compared with what a database says.
//
// It is compiled once: breaks takes the address of a value, or of the entity, so that
// a check is a call of a closure, without reflection and without memory.
type Rule struct {
	Kind    RuleKind
	Name    string    // the kind's, or that of the function
	Columns []*Column // one; those that a function was declared for, which may be none

	// Limits has what the declaration says, by Kind:
	//
	//	RuleAtLeast, RuleAtMost       one int64, uint64, float64, time.Duration, time.Time or pgtype.Numeric
	//	RuleMinLength, RuleMaxLength  one int
	//	RuleMatches                   one string
	//	RuleOneOf                     strings, int64s or uint64s
	Limits []any
	Limit  string // the same for people

	given  []any // limits as they were declared
	breaks breaker
	valid  uintptr // where a value says that it is no NULL; 0: it does not say
}

// NewRule returns a rule for the values of a column. It is complete once its table
// is declared.
func NewRule(kind RuleKind, c *Column, limits ...any) *Rule {
	return &Rule{Kind: kind, Name: string(kind), Columns: []*Column{c}, given: limits}
}

// NewRuleFunc returns a rule for entities, which the function reports to be broken.
func NewRuleFunc(name string, breaks breaker, columns []*Column) *Rule {
	return &Rule{Kind: RuleFunc, Name: name, Columns: columns, breaks: breaks}
}

// Test checks one rule. It has what that takes in one place: five checks take 33 to
// 50 ns, and next to a statement mostly the time to fetch what they look at.
type Test struct {
	breaks   breaker
	offset   uintptr // of the value in an entity
	valid    uintptr // where a value says that it is no NULL; 0: it does not say
	ptr      bool    // the field is a pointer to the value
	required bool    // NULL breaks the rule
}

// Test returns what checks the rule.
func (r *Rule) Test() Test {
	t := Test{breaks: r.breaks, valid: r.valid, required: r.Required()}
	if r.Kind != RuleFunc { // which takes the entity
		t.offset, t.ptr = r.Columns[0].Offset, r.Columns[0].Ptr
	}
	return t
}

// BrokenBy reports whether the entity at p breaks the rule.
func (t *Test) BrokenBy(p unsafe.Pointer) bool {
	v := unsafe.Add(p, t.offset)
	if t.ptr {
		v = *(*unsafe.Pointer)(v)
	}
	return t.brokenAt(v)
}

// brokenAt reports whether the value at v breaks the rule. NULL is nil, or says so.
func (t *Test) brokenAt(v unsafe.Pointer) bool {
	if v == nil || t.valid != 0 && !*(*bool)(unsafe.Add(v, t.valid)) {
		return t.required
	}
	return t.breaks(v)
}

// Required reports whether NULL breaks the rule.
func (r *Rule) Required() bool { return r.Kind == RuleRequired || r.Kind == RuleNotBlank }

// BrokenByValue reports whether v, which is assigned to the column, breaks the
// rule. A v is of the type of the field, or of what that points to.
func (r *Rule) BrokenByValue(v any) bool {
	c, rv, t := r.Columns[0], reflect.ValueOf(v), r.Test()
	switch {
	case !rv.IsValid():
		return t.required
	case c.Ptr && rv.Type() == c.Type:
		return t.brokenAt(rv.UnsafePointer())
	case rv.Type() == c.value():
		own := reflect.New(rv.Type())
		own.Elem().Set(rv)
		return t.brokenAt(own.UnsafePointer())
	}
	return false // no column takes it
}

// compile completes r, or says why nothing can keep it or break it.
func (r *Rule) compile() error {
	if r.Kind == RuleFunc {
		return r.checkFunc()
	}
	c := r.Columns[0]
	r.valid = validOffset(c.value())
	var err error
	switch r.Kind {
	case RuleRequired:
		err = r.compileRequired(c)
	case RuleNotBlank:
		r.breaks = func(p unsafe.Pointer) bool { return blank(*(*string)(p)) }
	case RuleAtLeast, RuleAtMost:
		r.Limits = make([]any, 1)
		r.Limits[0], r.breaks, err = compileBound(r.Kind == RuleAtLeast, r.given[0])
	case RuleMinLength, RuleMaxLength:
		err = r.compileLength(r.given[0].(int))
	case RuleMatches:
		err = r.compilePattern(r.given[0].(*regexp.Regexp))
	case RuleOneOf:
		r.Limits, r.breaks, err = compileOneOf(r.given)
	}
	texts := make([]string, len(r.Limits))
	for i, limit := range r.Limits {
		texts[i] = limitText(limit, r.given[i])
	}
	r.Limit = strings.Join(texts, ", ")
	return err
}

func (r *Rule) checkFunc() error {
	switch {
	case r.Name == "":
		return errors.New("it has no name, which errors need")
	case r.breaks == nil:
		return errors.New("the function is nil")
	case functions[RuleKind(r.Name)] != "":
		return errors.New("rules of another kind have this name: choose another one")
	}
	return nil
}

// validOffset returns where a struct says whether it holds NULL, as those of
// database/sql, pgtype and sqlc do. It is never at 0: the value comes first.
func validOffset(t reflect.Type) uintptr {
	if t.Kind() != reflect.Struct {
		return 0
	}
	if f, ok := t.FieldByName("Valid"); ok && f.Type == reflect.TypeFor[bool]() && len(f.Index) == 1 {
		return f.Offset
	}
	return 0
}

func (r *Rule) compileRequired(c *Column) error {
	r.breaks = func(unsafe.Pointer) bool { return false }
	switch kind := c.value().Kind(); {
	case kind == reflect.Slice, kind == reflect.Map: // NULL is nil, whose first word is
		r.breaks = func(p unsafe.Pointer) bool { return *(*unsafe.Pointer)(p) == nil }
	case c.Ptr, r.valid != 0:
	case c.Nullable:
		return fmt.Errorf("a %s does not say in a field Valid whether it is NULL: use RuleFunc", c.Type)
	default:
		return errors.New("its field is never NULL: leave the rule out, or use NotBlank for a text")
	}
	return nil
}

// blank reports whether a text has nothing but white space.
func blank(s string) bool {
	for _, c := range s {
		if !unicode.IsSpace(c) {
			return false
		}
	}
	return true
}

// compileLength compares numbers of characters. A text has at least one byte for
// each, so that most texts need not be counted.
func (r *Rule) compileLength(n int) error {
	r.Limits = []any{n}
	if n < 1 {
		return fmt.Errorf("a length is at least 1, not %d", n)
	}
	if r.Kind == RuleMaxLength {
		r.breaks = func(p unsafe.Pointer) bool {
			s := *(*string)(p)
			return len(s) > n && utf8.RuneCountInString(s) > n
		}
		return nil
	}
	r.breaks = func(p unsafe.Pointer) bool {
		s := *(*string)(p)
		return len(s) < n || len(s) < n*utf8.UTFMax && utf8.RuneCountInString(s) < n
	}
	return nil
}

func (r *Rule) compilePattern(pattern *regexp.Regexp) error {
	if pattern == nil {
		return errors.New("the regular expression is nil")
	}
	r.Limits = []any{pattern.String()}
	r.breaks = func(p unsafe.Pointer) bool { return !pattern.MatchString(*(*string)(p)) }
	return nil
}

// checkRules completes the rules, and refuses those that nothing can keep, and
// those that say the same twice.
func (t *Table) checkRules() error {
	if len(t.Rules) > 0 && t.ReadOnly {
		return errors.New("a view is only read, and Rules is about writes: leave it out, or declare a view that can be written with NewTable")
	}
	for i, r := range t.Rules {
		err := r.compile()
		if err == nil {
			err = t.checkDecided(r)
		}
		for j := 0; j < i && err == nil; j++ {
			err = r.contradicts(t.Rules[j])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
	}
	return nil
}

// String names the rule in errors of declarations.
func (r *Rule) String() string {
	if r.Kind == RuleFunc {
		return fmt.Sprintf("RuleFunc %q", r.Name)
	}
	return fmt.Sprintf("%s of column %q", functions[r.Kind], r.Columns[0].Name)
}

// checkDecided refuses a rule for what no write takes from an entity.
func (t *Table) checkDecided(r *Rule) error {
	for _, c := range r.Columns {
		if c == t.UpdatedAt || c == t.Version || slices.Contains(t.Computed, c) {
			return fmt.Errorf("column %q is set by the database or by every write, and by no value of the program", c.Name)
		}
	}
	return nil
}

// contradicts refuses two rules of which one says nothing, or which nothing keeps.
func (r *Rule) contradicts(earlier *Rule) error {
	if r.Kind == RuleFunc || earlier.Kind == RuleFunc {
		if r.Kind == earlier.Kind && r.Name == earlier.Name {
			return errors.New("the name is given twice")
		}
		return nil
	}
	if r.Columns[0] != earlier.Columns[0] {
		return nil
	}
	switch {
	case r.Kind == earlier.Kind && (r.Kind != RuleMatches || r.Limit == earlier.Limit):
		return errors.New("the rule is given twice")
	case r.Required() && earlier.Required():
		return errors.New("NotBlank includes Required: leave out Required")
	}
	lower, upper := r, earlier
	if lower.Kind == RuleAtMost || lower.Kind == RuleMaxLength {
		lower, upper = upper, lower
	}
	switch {
	case lower.Kind == RuleAtLeast && upper.Kind == RuleAtMost && upper.BrokenByValue(lower.given[0]),
		lower.Kind == RuleMinLength && upper.Kind == RuleMaxLength && lower.given[0].(int) > upper.given[0].(int):
		return fmt.Errorf("nothing is at least %s and at most %s", lower.Limit, upper.Limit)
	}
	return contradictsList(r, earlier)
}

// contradictsList refuses a list of values of which another rule refuses one.
func contradictsList(list, other *Rule) error {
	if other.Kind == RuleOneOf {
		list, other = other, list
	}
	if list.Kind == RuleOneOf && slices.ContainsFunc(list.given, other.BrokenByValue) {
		return fmt.Errorf("%s allows a value that %s refuses", functions[list.Kind], functions[other.Kind])
	}
	return nil
}
