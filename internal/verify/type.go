package verify

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/meta"
)

// checkType compares the types. Whether a value of the one is a value of the other is
// pgx's to say, by what the connection knows of them. What pgx reads and writes may
// still be too large, too long or of another clock, which is compared beside it.
//
// A statement is given only where it makes the column wider: values that are there stay
// what they are, and a declaration that is too narrow is the program's mistake.
func (s *subject) checkType(c *meta.Column, in *catalog.Column) {
	base := in.Base
	if in.Enum != "" && in.Element == 0 {
		base = pgtype.TextOID
	}
	reads, writes := c.Fits(s.types, in.Declared, base)
	switch {
	case !reads:
		s.typeFinding(c, in, Fault, "cannot hold its values: reading a row fails", "")
	case !writes && !s.ReadOnly && !slices.Contains(s.Computed, c):
		s.typeFinding(c, in, Fault, "is not sent as that type: writing a row fails, or writes something else", "")
	default:
		s.checkRange(c, in)
		s.checkExact(c, in)
	}
}

// typeFinding adds a finding about the types of a column and its field. A type that pgx
// does not know is read as a text, unless the program registers it.
func (s *subject) typeFinding(c *meta.Column, in *catalog.Column, level Level, problem, sql string) {
	f := Finding{Check: CheckType, Level: level, Column: c.Name, Problem: "is " + in.Type + ", and its field " + c.Type.String() + " " + problem, SQL: sql}
	if level > Note {
		f.Go = "change the type of the field"
	}
	if _, known := s.types.TypeForOID(in.Declared); level == Fault && !known {
		f.Go += ", or register the type on the connections"
	}
	s.add(f)
}

// checkRange compares which integers field and column hold. A field that is too small
// meets the numbers that others write; one that is too large is refused by the database
// or by pgx when the program writes, which somebody notices.
func (s *subject) checkRange(c *meta.Column, in *catalog.Column) {
	field, unsigned := intBits(c)
	column := wireBits(in.Base)
	if column == 0 || field == 0 {
		return
	}
	holds := field // of a number that is not negative
	if !unsigned {
		holds--
	}
	switch {
	case holds < column-1:
		s.typeFinding(c, in, Fault, fmt.Sprintf("has %d bits of its %d: a larger number cannot be read", field, column), "")
	case unsigned:
		s.typeFinding(c, in, Warning, "has no sign: a number below zero cannot be read, and one that is too large is refused", "")
	case field > column && !s.ReadOnly:
		wide := s.alter(c, "TYPE "+map[int]string{32: "integer", 64: "bigint"}[field])
		if !s.isTable() || in.Generated != "" || in.Type != in.TypeName || in.Declared != in.Base {
			wide = ""
		}
		s.typeFinding(c, in, Warning, fmt.Sprintf("has %d bits where it has %d: a larger number is refused", field, column), wide)
	}
}

// checkExact looks for values that come back as others, or are refused, though the types
// fit: what is lost in silence is a fault or a warning, what is refused or loses digits
// that nobody may rely on, a note. A date in a time.Time is what pgx offers for dates, so
// of that nothing is said.
func (s *subject) checkExact(c *meta.Column, in *catalog.Column) {
	isFloat := c.Kind == meta.KindFloat32 || c.Kind == meta.KindFloat64
	isInt, _ := intBits(c)
	hasZone := c.Encode == meta.KindTime || c.Type == reflect.TypeFor[pgtype.Timestamptz]()
	isText := in.Base == pgtype.TextOID || in.Base == pgtype.VarcharOID || in.Base == pgtype.BPCharOID
	switch {
	case c.Encode == meta.KindBytes && isText && !s.ReadOnly:
		s.typeFinding(c, in, Warning, "is bytes: those that are no text are refused, and in pgx's mode exec their hexadecimal digits are written", "")
	case isFloat && wireBits(in.Base) > 0 && !s.ReadOnly:
		s.typeFinding(c, in, Fault, "may have a fraction, which the server rounds away in silence", "")
	case isInt > 0 && in.Base == pgtype.NumericOID && (in.Modifier < 4 || (in.Modifier-4)&0x7ff != 0):
		s.typeFinding(c, in, Warning, "has no fraction: a number with one cannot be read", "")
	case in.Base == pgtype.TimestampOID && hasZone && !s.ReadOnly:
		s.typeFinding(c, in, Warning, "is a moment: the column keeps the clock that the value shows and not its zone", "")
	case in.Base == pgtype.TimestamptzOID && c.Type == reflect.TypeFor[pgtype.Timestamp]() && !s.ReadOnly:
		s.typeFinding(c, in, Warning, "has no zone, and the column keeps a moment: the clock is taken for that of the session", "")
	case in.Base == pgtype.Float4OID && c.Kind == meta.KindFloat64 && !s.ReadOnly:
		s.typeFinding(c, in, Note, "has more digits: 0.1 comes back as 0.10000000149", "")
	case in.Base == pgtype.BPCharOID && !s.ReadOnly:
		s.typeFinding(c, in, Note, "may be shorter: a text comes back with blanks behind it", "")
	case in.Base == pgtype.VarcharOID && in.Modifier >= 4 && !s.ReadOnly && !s.hasLengthRule(c):
		s.typeFinding(c, in, Note, fmt.Sprintf("may be longer: a text of more than %d characters is refused", in.Modifier-4), "")
	case in.Base == pgtype.NumericOID && in.Modifier >= 4 && !s.ReadOnly:
		s.typeFinding(c, in, Note, "may have more digits: the server rounds or refuses those", "")
	}
}

// hasLengthRule reports whether a rule of the program bounds a text, which is compared
// with the column by itself.
func (s *subject) hasLengthRule(c *meta.Column) bool {
	return slices.ContainsFunc(s.Rules, func(r *meta.Rule) bool { return r.Kind == meta.RuleMaxLength && r.Columns[0] == c })
}

// intBits returns the bits of an integer field, also behind a pointer or in a type of
// pgx, and reports whether it has no sign; 0 for other fields.
func intBits(c *meta.Column) (bits int, unsigned bool) {
	t := c.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[pgtype.Int2]():
		return 16, false
	case reflect.TypeFor[pgtype.Int4]():
		return 32, false
	case reflect.TypeFor[pgtype.Int8]():
		return 64, false
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if t == reflect.TypeFor[time.Duration]() {
			return 0, false
		}
		return t.Bits(), false
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return t.Bits(), true
	}
	return 0, false
}

// wireBits returns the bits of an integer type, 0 for others.
func wireBits(oid uint32) int {
	switch oid {
	case pgtype.Int2OID:
		return 16
	case pgtype.Int4OID:
		return 32
	case pgtype.Int8OID:
		return 64
	}
	return 0
}

// sqlType returns a type of PostgreSQL for a field, as SQL: the one that holds all
// values of the field and nothing else, as far as there is one. Of a type that pgx
// writes it is pgx's choice, of any other one text.
func sqlType(c *meta.Column, types *pgtype.Map) string {
	switch c.Encode {
	case meta.KindBool:
		return "boolean"
	case meta.KindInt16:
		return "smallint"
	case meta.KindInt32:
		return "integer"
	case meta.KindInt64:
		return "bigint"
	case meta.KindFloat32:
		return "real"
	case meta.KindFloat64:
		return "double precision"
	case meta.KindString:
		return "text"
	case meta.KindBytes:
		return "bytea"
	case meta.KindTime:
		return "timestamptz"
	case meta.KindUUID:
		return "uuid"
	case meta.KindJSON:
		return "jsonb"
	case meta.KindStrings:
		return "text[]"
	}
	t := c.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Map {
		return "jsonb"
	}
	if known, ok := types.TypeForValue(reflect.New(t).Elem().Interface()); ok {
		if element, ok := strings.CutPrefix(known.Name, "_"); ok {
			return element + "[]"
		}
		return known.Name
	}
	return "text"
}
