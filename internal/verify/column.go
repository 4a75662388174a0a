package verify

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/meta"
)

// checkColumns compares each declared column, and those that are not declared.
func (s *subject) checkColumns() {
	for _, c := range s.Struct.Columns {
		in := s.in.Column(c.Name)
		if in == nil {
			s.missing(c)
			continue
		}
		s.checkType(c, in)
		s.checkNull(c, in)
		s.checkComputed(c, in)
		s.checkDefault(c, in)
		s.checkEnum(c, in)
		s.checkRules(c, in)
	}
	for i := range s.in.Columns {
		if in := &s.in.Columns[i]; s.Struct.ByName(in.Name) == nil {
			s.undeclared(in)
		}
	}
}

// missing says that a column is not there. The statement that adds it has a default
// where rows that exist need a value: zero, as the program would have written it.
func (s *subject) missing(c *meta.Column) {
	f := Finding{
		Check: CheckColumn, Level: Fault, Column: c.Name, Problem: "does not exist: every call that reads or writes rows fails",
		Go: `remove the field, or tag it db:"-"`,
	}
	if s.isTable() {
		f.SQL = "ALTER TABLE " + s.Quoted + " ADD COLUMN " + c.Quoted + " " + sqlType(c, s.types)
		if !c.Nullable {
			f.SQL += " NOT NULL"
			if z := zero(c, nil); z != "" {
				f.SQL += " DEFAULT " + z
			}
		}
	}
	s.add(f)
}

// undeclared says that a column without field needs a value that no row gets. A trigger
// may give it one, which cannot be known, so that is no finding.
func (s *subject) undeclared(in *catalog.Column) {
	if s.ReadOnly || !s.isTable() || !in.NotNull || in.HasDefault() || in.Generated != "" || s.mayChange() {
		return
	}
	s.add(Finding{
		Check: CheckDefault, Level: Fault, Column: in.Name, Go: "add a field for it",
		Problem: "is NOT NULL, has no default and no field: no row can be created",
		SQL:     "ALTER TABLE " + s.Quoted + " ALTER COLUMN " + meta.Quote(in.Name) + " DROP NOT NULL",
	})
}

// checkType compares the types. Whether a value of the one is a value of the other is
// pgx's to say, by what the connection knows of them. What pgx reads and writes may
// still be too large, too long or of another clock: integers and times are compared
// beside it. The length of a text is a note: every schema has such columns, and the
// server refuses what is too long.
func (s *subject) checkType(c *meta.Column, in *catalog.Column) {
	add := func(level Level, problem string) {
		f := Finding{Check: CheckType, Level: level, Column: c.Name, Problem: "is " + in.Type + ", and its field " + c.Type.String() + " " + problem}
		if t := sqlType(c, s.types); s.isTable() && in.Generated == "" && t != "" {
			f.SQL = s.alter(c, "TYPE "+t+" USING "+c.Quoted+"::text::"+t)
		}
		if f.Go = "change the type of the field"; level == Note {
			f.SQL, f.Go = "", ""
		}
		s.add(f)
	}
	base := in.Base
	if in.Enum != "" && in.Element == 0 {
		base = pgtype.TextOID
	}
	reads, writes := c.Fits(s.types, in.Declared, base)
	switch {
	case !reads:
		add(Fault, "cannot hold its values: reading a row fails")
		return
	case !writes && !s.ReadOnly && !slices.Contains(s.Computed, c):
		add(Fault, "is not sent as that type: writing a row fails")
		return
	}
	switch field, column := intSize(c), wireSize(in.Base); {
	case field == 0 || column == 0 || field == column:
	case field < column:
		add(Fault, fmt.Sprintf("has %d bytes of its %d: a larger number cannot be read", field, column))
	case !s.ReadOnly:
		add(Warning, fmt.Sprintf("has %d bytes where it has %d: a larger number is refused", field, column))
	}
	switch {
	case in.Base == pgtype.TimestampOID && !s.ReadOnly && c.Encode == meta.KindTime:
		add(Warning, "is a moment: the column keeps the clock that the value shows and not its zone")
	case in.Base == pgtype.VarcharOID && in.Modifier >= 4 && !s.ReadOnly && !slices.ContainsFunc(s.Rules, func(r *meta.Rule) bool { return r.Kind == meta.RuleMaxLength && r.Columns[0] == c }):
		add(Note, fmt.Sprintf("may be longer: a text of more than %d characters is refused", in.Modifier-4))
	case in.Base == pgtype.NumericOID && in.Modifier >= 4 && !s.ReadOnly:
		add(Note, "may have more digits: the server rounds or refuses those")
	}
}

// intSize returns the bytes of an integer field, also behind a pointer, 0 for others.
func intSize(c *meta.Column) int {
	switch c.Kind {
	case meta.KindInt16:
		return 2
	case meta.KindInt32:
		return 4
	case meta.KindInt64:
		return 8
	}
	return 0
}

// wireSize returns the bytes of an integer type, 0 for others.
func wireSize(oid uint32) int {
	switch oid {
	case pgtype.Int2OID:
		return 2
	case pgtype.Int4OID:
		return 4
	case pgtype.Int8OID:
		return 8
	}
	return 0
}

// checkNull compares who can be NULL. To the catalog all columns of views can, so of
// those nothing is said.
func (s *subject) checkNull(c *meta.Column, in *catalog.Column) {
	switch {
	case !s.isTable():
	case !in.NotNull && !c.Nullable:
		s.add(Finding{
			Check: CheckNull, Level: Fault, Column: c.Name, SQL: s.alter(c, "SET NOT NULL"), Go: "make the field a pointer",
			Problem: "can be NULL, which its field " + c.Type.String() + " cannot hold: reading such a row returns smrt.ErrNullValue",
		})
	case in.NotNull && c == s.SoftDelete:
		s.add(Finding{
			Check: CheckNull, Level: Fault, Column: c.Name, SQL: s.alter(c, "DROP NOT NULL"),
			Problem: "is NOT NULL, and rows that are not deleted have NULL there: no row can be created",
		})
	case in.NotNull && c.Ptr:
		s.add(Finding{
			Check: CheckNull, Level: Note, Column: c.Name,
			Problem: "is NOT NULL, and its field " + c.Type.String() + " may be nil: writing nil returns a constraint error",
		})
	}
}

// checkComputed compares who computes a column. A column that is declared Computed may
// get its value from a default or a trigger as well as by being generated; an identity
// that is ALWAYS refuses every value that the program sends.
func (s *subject) checkComputed(c *meta.Column, in *catalog.Column) {
	computed := slices.Contains(s.Computed, c)
	switch {
	case s.ReadOnly || !s.isTable():
	case in.Generated != "" && !computed:
		f := Finding{
			Check: CheckDefault, Level: Fault, Column: c.Name, Go: "query.Computed",
			Problem: "is generated, and writes of a row set it: they fail",
		}
		if in.Generated == "s" {
			f.SQL = s.alter(c, "DROP EXPRESSION")
		}
		s.add(f)
	case in.Identity == "a" && !computed && !s.IsKey(c):
		s.add(Finding{
			Check: CheckDefault, Level: Fault, Column: c.Name, SQL: s.alter(c, "SET GENERATED BY DEFAULT"), Go: "query.Computed",
			Problem: "is GENERATED ALWAYS AS IDENTITY, and writes of a row set it: they fail",
		})
	case computed && in.Generated == "" && !in.HasDefault() && !s.mayChange():
		f := Finding{
			Check: CheckDefault, Level: Warning, Column: c.Name, Go: "remove query.Computed",
			Problem: "is declared Computed, and nothing in the database computes it: it is NULL in every row that is created",
		}
		if in.NotNull {
			f.Level, f.Problem = Fault, "is declared Computed and NOT NULL, and nothing in the database computes it: no row can be created"
		}
		if z := zero(c, in); z != "" {
			f.SQL = s.alter(c, "SET DEFAULT "+z)
		}
		s.add(f)
	}
}

// checkDefault compares who sets a column that the program leaves zero. A default that
// is not declared is never used, because the zero is written. For 0, false and ""
// that is what a program may want: with the default it could not write them. The year 1
// and a uuid of zeros are values that nobody means.
func (s *subject) checkDefault(c *meta.Column, in *catalog.Column) {
	declared := slices.Contains(s.Defaults, c)
	switch {
	case s.ReadOnly || !s.isTable() || s.mayChange():
	case declared && !in.HasDefault() && in.Generated == "":
		f := Finding{
			Check: CheckDefault, Level: Warning, Column: c.Name, Go: "remove it from query.Default",
			Problem: "is declared with a default and has none: a zero value becomes NULL",
		}
		if in.NotNull {
			f.Level, f.Problem = Fault, "is declared with a default, has none and is NOT NULL: creating a row with a zero value there fails"
		}
		if z := zero(c, in); z != "" {
			f.SQL = s.alter(c, "SET DEFAULT "+z)
		}
		s.add(f)
	case !declared && in.HasDefault() && in.Generated == "" && in.Identity != "a" && s.isPlain(c):
		f := Finding{
			Check: CheckDefault, Level: Note, Column: c.Name,
			Problem: "has a default, " + cmp.Or(in.Default, "an identity") + ", which no row gets: the field's value is written also when it is zero",
		}
		if !c.Nullable && !zeroIsValue(c, in) {
			f.Level, f.Go = Warning, "query.Default"
		}
		s.add(f)
	}
}

// isPlain reports whether a column has no role that says who sets it.
func (s *subject) isPlain(c *meta.Column) bool {
	return !s.IsKey(c) && !slices.Contains(s.Computed, c) && !slices.Contains([]*meta.Column{s.SoftDelete, s.CreatedAt, s.UpdatedAt, s.Version}, c)
}

// zeroIsValue reports whether Go's zero value is one that a program may mean: 0, false
// and "" are, the year 1 and the uuid of zeros are not.
func zeroIsValue(c *meta.Column, in *catalog.Column) bool {
	if in.Enum != "" {
		return slices.Contains(in.Labels, "")
	}
	switch c.Encode {
	case meta.KindBool, meta.KindInt16, meta.KindInt32, meta.KindInt64, meta.KindFloat32, meta.KindFloat64, meta.KindString:
		return true
	}
	return false
}

// checkEnum asks the program about each label, if the type of the field has the method
// that sqlc writes for enums. Whether the program has constants that the database does
// not know cannot be seen from here: a type does not list its constants.
func (s *subject) checkEnum(c *meta.Column, in *catalog.Column) {
	t := c.Type
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.String {
		return
	}
	for _, label := range in.Labels {
		v := reflect.New(t)
		v.Elem().SetString(label)
		if known, ok := v.Interface().(interface{ Valid() bool }); ok && !known.Valid() {
			s.add(Finding{
				Check: CheckEnum, Level: Fault, Column: c.Name, Go: "add a constant of " + t.String() + " for it",
				Problem: fmt.Sprintf("may be %q in the database, which is not Valid as a %s: a row with it can be read and not written", label, t),
			})
		}
	}
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
	if known, ok := types.TypeForValue(reflect.New(t).Elem().Interface()); ok {
		if element, ok := strings.CutPrefix(known.Name, "_"); ok {
			return element + "[]"
		}
		return known.Name
	}
	return "text"
}

// zero returns a default for a column, as SQL; "" where none suggests itself. Of an enum
// it is the first label, which is what most enums begin with. What the database has of
// the column may be nil.
func zero(c *meta.Column, in *catalog.Column) string {
	if in != nil && in.Enum != "" && in.Element == 0 && len(in.Labels) > 0 {
		return "'" + strings.ReplaceAll(in.Labels[0], "'", "''") + "'"
	}
	if in != nil && in.TypeName == "uuid" {
		return "gen_random_uuid()"
	}
	switch c.Encode {
	case meta.KindBool:
		return "false"
	case meta.KindInt16, meta.KindInt32, meta.KindInt64, meta.KindFloat32, meta.KindFloat64:
		return "0"
	case meta.KindString:
		return "''"
	case meta.KindTime:
		return "now()"
	case meta.KindUUID:
		return "gen_random_uuid()"
	case meta.KindJSON, meta.KindStrings:
		return "'{}'"
	}
	return ""
}
