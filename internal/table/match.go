package table

import (
	"slices"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// Rows that come back belong to entities by key. How that is found out depends
// on who makes the key:
//
//   - An UPDATE or DELETE returns the number of each row, which it got in an
//     array ([Result.Ordinal]).
//   - An INSERT cannot. If the program knows the key, or the target of an upsert,
//     it comes back in front of the other columns and is compared ([match]).
//   - If a sequence makes the keys, or a part of a composite one, the row that
//     was inserted first has the least one ([Table.ByRank]).
//   - Otherwise, and where the database has changed a key on its way, such as
//     blanks at the end of a char(n), the rows are counted and belong to
//     entities by their order. PostgreSQL returns rows in the order in which
//     they were inserted; a handle whose server does not says so, see
//     handle.KeepsOrder.
//
// Rows are always counted: a trigger may have left some out.

// Entities are what the rows of one statement are read into.
type Entities struct {
	Rows   Rows
	Chosen []int // of Rows; nil: all of them
}

// Len returns how many entities there are.
func (e Entities) Len() int {
	if e.Chosen != nil {
		return len(e.Chosen)
	}
	return e.Rows.N
}

// At returns the address of one of them.
func (e Entities) At(i int) unsafe.Pointer {
	if e.Chosen != nil {
		i = e.Chosen[i]
	}
	return e.Rows.At(i)
}

// match finds the entity that a row belongs to by columns whose values the
// program knows. As long as rows come in the order of the entities, it only
// compares.
type match struct {
	columns []*meta.Column
	of      Entities
	d       meta.Decoder
	scratch unsafe.Pointer // holds the columns of the row

	index  map[string]int // made when a row is not where it was expected
	placed []bool         // with index: which entities have their row
}

func (m *match) init(r *Result, skip int) {
	m.scratch = r.Table.NewEntity()
	m.d.InitFrom(r.Table.Name, meta.TargetsOf(m.columns, 0), r.Rows, skip)
}

// entity returns which entity the row belongs to that came as number i, or -1
// if none does.
func (m *match) entity(rows pgx.Rows, i int, ordered bool) (int, error) {
	if err := m.d.Row(rows, m.scratch); err != nil {
		return 0, err
	}
	if m.index == nil {
		if i < m.of.Len() && m.same(m.of.At(i)) {
			return i, nil
		}
		m.makeIndex(i)
	}
	at, ok := m.index[TargetKey(m.columns, m.scratch)]
	if !ok && ordered { // the database has changed the key
		at, ok = i, i < m.of.Len()
	}
	if !ok || m.placed[at] {
		return -1, nil
	}
	m.placed[at] = true
	return at, nil
}

func (m *match) same(p unsafe.Pointer) bool {
	for _, col := range m.columns {
		if !col.Comparable() {
			return TargetKey(m.columns, p) == TargetKey(m.columns, m.scratch)
		}
		if col.Compare(p, m.scratch) != 0 {
			return false
		}
	}
	return true
}

// makeIndex is called for row number i. The rows before it were where they were
// expected.
func (m *match) makeIndex(i int) {
	m.index = make(map[string]int, m.of.Len())
	m.placed = make([]bool, m.of.Len())
	for j := m.of.Len() - 1; j >= 0; j-- { // of several equal entities the first counts
		m.index[TargetKey(m.columns, m.of.At(j))] = j
		m.placed[j] = j < i
	}
}

// ByRank puts what was read back of rows whose keys a sequence made where it
// belongs. The rows were read in the order in which they came; the n-th least
// key is that of the n-th entity.
func (t *Table) ByRank(of Entities, returned []meta.Target) {
	key := t.MadeKey()
	order := make([]int, of.Len())
	rising := true
	for i := range order {
		order[i] = i
		rising = rising && (i == 0 || key.Int(of.At(i-1)) < key.Int(of.At(i)))
	}
	if rising {
		return
	}
	copies := t.Copies(of.Len())
	for i := range of.Len() {
		t.CopyEntity(copies.At(i), of.At(i))
	}
	slices.SortFunc(order, func(i, j int) int { return key.Compare(copies.At(i), copies.At(j)) })
	for i, from := range order {
		CopyColumns(of.At(i), copies.At(from), returned)
	}
}

// CopyColumns copies columns of the entity at src to that at dst.
func CopyColumns(dst, src unsafe.Pointer, columns []meta.Target) {
	for _, c := range columns {
		at := c.Base + c.Column.Offset
		c.Column.Copy(unsafe.Add(dst, at), unsafe.Add(src, at))
	}
}

// Ranked reports whether a sequence makes the keys of the rows of an insert, in
// their order.
func (t *Table) Ranked(c *Catalog, arguments []*meta.Column) bool {
	key := t.MadeKey()
	if key == nil || !key.IsInteger() || c.Guardable {
		return false
	}
	return c.Columns[key.Name].Rising && !slices.Contains(arguments, key)
}

// GuardError returns err, or what it means if it is that of a statement that the
// server refused because it left out some of n rows.
func (t *Table) GuardError(err error, n int) error {
	if !pgerr.IsGuard(err) {
		return err
	}
	return &smrt.LeftOutError{Table: t.Name, Sent: n, Written: -1, Err: err}
}

// leftOut is the error of a statement that returned another number of rows than
// it was given.
func (t *Table) leftOut(sent, written int) error {
	return &smrt.LeftOutError{Table: t.Name, Sent: sent, Written: written}
}
