package flush

import (
	"slices"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// Kind says what a step does.
type Kind uint8

// The kinds of steps.
const (
	Insert           Kind = iota // creates rows of one Shape
	Update                       // writes whole rows
	Patch                        // assigns Sets
	Delete                       // deletes rows, softly unless Hard
	Backfill                     // fills in the Columns of rows that were NULL when these were inserted
	UpdateWhere                  // assigns columns of the rows that match Where
	DeleteWhere                  // deletes the rows that match Where
	Nullify                      // sets Columns to NULL of rows that are about to be deleted
	ReserveKeys                  // draws the keys of Count rows before these are inserted
	SetConstraints               // lets Constraints be checked later, or now
	CheckConstraints             // checks Constraints now
	Planned                      // sends Built, so that what follows is planned for its arguments, or as before
	FailIfMissed                 // ends the transaction if a step before has not found all of its rows
)

// ops names the kinds in errors.
var ops = [...]table.Op{
	Insert: "create", Update: "update", Patch: "patch", Delete: "delete",
	UpdateWhere: "update", DeleteWhere: "delete",
	Backfill: "create", Nullify: "delete", ReserveKeys: "create",
	SetConstraints: "", CheckConstraints: "", Planned: "", FailIfMissed: "",
}

// Step is one step of the plan of a unit, which becomes one statement.
type Step struct {
	Kind      Kind
	Table     *table.Table   // nil where the step is about none
	Catalog   *table.Catalog // of the table
	Unordered bool           // rows of a result come in any order
	Rows      table.Rows     // copies of the entities, which are read back into

	Refs    []Ref  // columns that get keys of other rows
	Setting string // where an insert leaves its keys; empty: nobody needs them

	Shape       []byte         // of an insert: how each column is written
	Columns     []*meta.Column // of Backfill and Nullify
	Sets        []plan.Set     // of a patch
	InSets      bool           // the values of a patch are those in Sets, not those in Rows
	Hard        bool           // of a delete: not softly
	Checked     bool           // of a delete: the versions must match
	Acting      smrt.Tenant    // whose rows the unit is about
	Any         bool           // rows of all tenants are found; of a table with tenants
	Count       int            // of ReserveKeys
	Constraints []string       // qualified and quoted

	Where *plan.Request  // of UpdateWhere and DeleteWhere
	Built plan.Statement // its text and arguments
}

// Ref is a column whose value is the key of another row: for each row of a step
// the position of the key, from 1, among those that a setting holds.
type Ref struct {
	Column  *meta.Column
	Type    string // of the keys, qualified and quoted
	Setting string
	At      []int32
	Own     bool // the key is the row's own, and was reserved
}

// Op names what s does in errors.
func (s *Step) Op() table.Op { return ops[s.Kind] }

// Finds reports whether s must find all of its rows.
func (s *Step) Finds() bool {
	return s.Kind == Update || s.Kind == Patch || s.Kind == Delete || s.Kind == Backfill
}

// MaxRows returns how many rows a statement for s can have: one if no array can
// carry the type of a column.
func (s *Step) MaxRows() int {
	if s.InSets {
		return 1
	}
	columns := s.arguments()
	if _, ok := s.Table.ArrayTypes(s.Catalog, columns); !ok || len(columns)+len(s.Refs) == 0 || s.apart() {
		return 1
	}
	return table.MaxChunk
}

// apart reports whether each row needs a statement of its own, because it could
// not be told which row a row of the result belongs to.
func (s *Step) apart() bool {
	if s.Kind != Insert || !s.Unordered {
		return false
	}
	p := s.Table.InsertParts(s.Shape)
	return len(p.Back) > 0 && !s.Table.Ranked(s.Catalog, p.Args) && !s.Table.Exact(s.Table.Known(p, nil), s.Catalog, s.Rows)
}

// ranked reports whether a sequence makes the keys of an insert, in the order of
// its rows.
func (s *Step) ranked() bool {
	return s.Kind == Insert && s.Table.Ranked(s.Catalog, s.arguments())
}

// Part returns s for some of its rows, given as copies. It leaves no keys.
func (s *Step) Part(from, to int, rows table.Rows) Step {
	part := *s
	part.Rows, part.Setting, part.Refs = rows, "", slices.Clone(s.Refs)
	for i := range part.Refs {
		part.Refs[i].At = part.Refs[i].At[from:to]
	}
	return part
}

// arguments returns the columns whose values are arguments.
func (s *Step) arguments() []*meta.Column {
	t := s.Table
	var columns []*meta.Column
	switch s.Kind {
	case Insert:
		return t.InsertArgs(s.Shape)
	case Update:
		columns = t.UpdateColumns()
	case Patch:
		columns = s.finds()
		for i := range s.Sets {
			if s.Sets[i].Op == plan.SetValue || s.Sets[i].Op == plan.SetAdd {
				columns = append(columns, s.Sets[i].Column)
			}
		}
	case Delete:
		columns = s.finds()
		if s.versioned() {
			columns = append(columns, t.Version)
		}
	case Backfill:
		columns = append(s.finds(), s.Columns...)
	case Nullify:
		columns = s.finds()
	}
	return slices.DeleteFunc(columns, s.refers)
}

// finds returns the columns by which a row is found: its key, and its tenant unless
// rows of all are meant.
func (s *Step) finds() []*meta.Column {
	columns := s.Table.KeyColumns()
	if owner := s.Table.Tenant; owner != nil && !s.Any && !s.Table.IsKey(owner) {
		columns = append(columns, owner)
	}
	return columns
}

// versioned reports whether rows are found by their version too.
func (s *Step) versioned() bool {
	return s.Table.Version != nil && (s.Kind == Update || s.Kind == Delete && s.Checked)
}

// live reports whether rows that were deleted softly are not found.
func (s *Step) live() bool {
	return s.Kind == Update || s.Kind == Patch || s.Kind == Delete && !s.Hard
}

// refers reports whether a column gets a key of another row.
func (s *Step) refers(col *meta.Column) bool {
	return slices.ContainsFunc(s.Refs, func(r Ref) bool { return r.Column == col })
}
