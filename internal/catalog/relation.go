package catalog

import (
	"math/big"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"
)

// Kind is what sort of relation something is, as pg_class.relkind says it.
type Kind string

// The kinds of relations that have rows.
const (
	Ordinary     Kind = "r"
	Partitioned  Kind = "p"
	View         Kind = "v"
	Materialized Kind = "m"
	Foreign      Kind = "f"
)

func (k Kind) String() string {
	switch k {
	case Ordinary:
		return "table"
	case Partitioned:
		return "partitioned table"
	case View:
		return "view"
	case Materialized:
		return "materialized view"
	case Foreign:
		return "foreign table"
	}
	return "relation of kind " + string(k)
}

// Relation is a table or a view of a database.
type Relation struct {
	Asked  string `json:"asked"` // the name it was asked for by, "" if by its schema
	OID    uint32 `json:"oid"`
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Quoted string `json:"quoted"` // schema and name as SQL
	Kind   Kind   `json:"kind"`

	Columns  []Column     `json:"columns"`
	Indexes  []Index      `json:"indexes"`
	Foreign  []ForeignKey `json:"foreign"`
	Checks   []Constraint `json:"checks"`
	Triggers []Trigger    `json:"triggers"` // also those of its partitions
	Rules    []string     `json:"rules"`    // names of rules other than that of a view

	Privileges []string `json:"privileges"` // on the whole of it, of the role that asks: SELECT, INSERT, UPDATE, DELETE
	Writable   []string `json:"writable"`   // INSERT, UPDATE, DELETE that the relation takes, as a view may
	Secured    bool     `json:"secured"`    // policies decide which rows the role that asks sees
	Exempt     bool     `json:"exempt"`     // there is row security, and the role that asks is exempt
	Policed    []string `json:"policed"`    // columns that each of its policies reads, in the order of their names
	Partition  bool     `json:"partition"`
	Role       string   `json:"role"`          // that asks, as SQL
	Usable     bool     `json:"usable"`        // the role that asks has USAGE on the schema
	SchemaName string   `json:"schema_quoted"` // as SQL
	Forceable  bool     `json:"forceable"`     // the role is exempt as owner only, and not as superuser or by BYPASSRLS
	Inherited  bool     `json:"inherited"`     // other tables inherit from it, whose rows are found by it too
}

// Column is a column of a relation.
type Column struct {
	Name      string   `json:"name"`
	Type      string   `json:"type"`      // as SQL, with length and precision
	TypeName  string   `json:"type_name"` // as SQL, without
	Declared  uint32   `json:"declared"`  // oid of the type
	Base      uint32   `json:"base"`      // of a domain the type below it, else Declared
	Element   uint32   `json:"element"`   // of an array the type of its elements, else 0
	Modifier  int32    `json:"modifier"`  // length, or precision and scale; -1 for none
	NotNull   bool     `json:"not_null"`  // by the column or by its domain
	Default   string   `json:"default"`   // as SQL, of the column or of its domain; "" for none
	Identity  string   `json:"identity"`  // "", "a" for ALWAYS, "d" for BY DEFAULT
	Generated string   `json:"generated"` // "", "s" for stored, "v" for virtual; Default has the expression
	Labels    []string `json:"labels"`    // of an enum, in its order, also of an array's elements
	Enum      string   `json:"enum"`      // name of the enum as SQL, also of an array's elements; "" for none
	Exact     bool     `json:"exact"`     // its collation, if it has one, is deterministic
	Sequence  string   `json:"sequence"`  // that the default asks, as SQL; "" for none
	MayAsk    bool     `json:"may_ask"`   // the role that asks may use the sequence
	Comment   string   `json:"comment"`

	Privileges []string `json:"privileges"` // of the role that asks, also by the relation: SELECT, INSERT, UPDATE
}

// HasDefault reports whether a row that is inserted without a value gets one other
// than NULL.
func (c *Column) HasDefault() bool { return c.Default != "" || c.Identity != "" }

// Index is an index of a relation.
type Index struct {
	Name       string     `json:"name"`       // as SQL, with its schema
	Constraint string     `json:"constraint"` // that it is made for; "" for none
	Method     string     `json:"method"`
	Keys       []IndexKey `json:"keys"`
	Unique     bool       `json:"unique"`
	Primary    bool       `json:"primary"`
	Valid      bool       `json:"valid"`     // it is complete, and queries use it
	Immediate  bool       `json:"immediate"` // its uniqueness is not deferrable
	NullsEqual bool       `json:"nulls_equal"`
	Referenced bool       `json:"referenced"` // by a foreign key
	Includes   bool       `json:"includes"`   // it has columns that are no keys
	Excludes   string     `json:"excludes"`   // EXCLUDE ..., of an exclusion constraint
	Predicate  string     `json:"predicate"`  // as SQL; "" if it is of all rows
	Depends    []string   `json:"depends"`    // columns that its keys and its predicate name
}

// IndexKey is one key of an index.
type IndexKey struct {
	Column     string `json:"column"` // "" of an expression
	Desc       bool   `json:"desc"`   //
	NullsFirst bool   `json:"nulls_first"`
	Plain      bool   `json:"plain"` // it sorts as the column does, by the default operators and the column's collation
}

// Columns returns the columns of the keys, and reports whether all are columns.
func (x *Index) Columns() (names []string, ok bool) {
	for _, k := range x.Keys {
		if k.Column == "" {
			return names, false
		}
		names = append(names, k.Column)
	}
	return names, true
}

// Named returns the columns of the keys, and after them those that expressions and the
// predicate name.
func (x *Index) Named() (names []string) {
	for _, k := range x.Keys {
		if k.Column != "" {
			names = append(names, k.Column)
		}
	}
	for _, name := range x.Depends {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// On reports whether the keys are these columns, in any order.
func (x *Index) On(columns []string) bool {
	names, ok := x.Columns()
	return ok && sameSet(names, columns)
}

// BeginsWith reports whether the first keys are these columns, in any order.
func (x *Index) BeginsWith(columns []string) bool {
	if len(x.Keys) < len(columns) {
		return false
	}
	first := Index{Keys: x.Keys[:len(columns)]}
	return first.On(columns)
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// ForeignKey is a foreign key of a relation.
type ForeignKey struct {
	Name       string   `json:"name"`
	Columns    []string `json:"columns"`
	Target     uint32   `json:"target"`      // oid of the relation that it references
	TargetName string   `json:"target_name"` // the same as SQL
	References []string `json:"references"`  // its columns, in the order of Columns
	Validated  bool     `json:"validated"`
	Enforced   bool     `json:"enforced"`
	Deferrable bool     `json:"deferrable"`
	OnDelete   string   `json:"on_delete"` // "a" no action, "r" restrict, "c" cascade, "n" set null, "d" set default
}

// Constraint is a CHECK constraint.
type Constraint struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	SQL     string   `json:"sql"` // CHECK (...)
}

// Trigger is a trigger that is enabled.
type Trigger struct {
	Name     string `json:"name"`
	Function string `json:"function"` // as SQL
	Before   bool   `json:"before"`
	Row      bool   `json:"row"`
	Insert   bool   `json:"insert"`
	Update   bool   `json:"update"`
	Delete   bool   `json:"delete"`
}

// Column returns the column of that name, nil if there is none.
func (r *Relation) Column(name string) *Column {
	for i := range r.Columns {
		if r.Columns[i].Name == name {
			return &r.Columns[i]
		}
	}
	return nil
}

// May reports whether the role that asked has a privilege on the whole relation.
func (r *Relation) May(privilege string) bool { return slices.Contains(r.Privileges, privilege) }

// May reports whether the role that asked has a privilege on the column.
func (c *Column) May(privilege string) bool { return slices.Contains(c.Privileges, privilege) }

// Length returns the greatest number of characters that a varchar(n) takes.
func (c *Column) Length() (n int, ok bool) {
	if c.Base != pgtype.VarcharOID || c.Modifier < 4 {
		return 0, false
	}
	return int(c.Modifier) - 4, true
}

// Greatest returns the greatest number that a numeric(p,s) takes. The least is its
// opposite.
func (c *Column) Greatest() (x *big.Rat, ok bool) {
	if c.Base != pgtype.NumericOID || c.Modifier < 4 {
		return nil, false
	}
	// numeric_typmod_scale of the server: eleven bits with a sign, since 15.
	precision, scale := (c.Modifier-4)>>16&0xffff, ((c.Modifier-4)&0x7ff^1024)-1024
	ten := big.NewInt(10)
	digits := new(big.Int).Exp(ten, big.NewInt(int64(precision)), nil)
	digits.Sub(digits, big.NewInt(1))
	power := new(big.Int).Exp(ten, big.NewInt(int64(max(scale, -scale))), nil)
	if scale < 0 {
		return new(big.Rat).SetInt(digits.Mul(digits, power)), true
	}
	return new(big.Rat).SetFrac(digits, power), true
}
