package table

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// Statement is the SQL of a write with what goes in and what comes back.
type Statement struct {
	SQL      string
	Columns  []*meta.Column // arguments, in order
	Ordinal  bool           // the first column of the result is the row's number
	Returned []meta.Target  // columns read back, in order
}

// HasResult reports whether the statement returns rows.
func (st *Statement) HasResult() bool { return st.Ordinal || len(st.Returned) > 0 }

// shapes caches statements by shape: which columns of an entity are written
// and which are left to the server. A table has few: one for each combination
// of zero values among the columns with defaults that a program really writes.
type shapes struct {
	mu sync.RWMutex
	m  map[string]*Statement
}

func (s *shapes) get(shape []byte, make func() *Statement) *Statement {
	s.mu.RLock()
	st := s.m[string(shape)] // does not allocate
	s.mu.RUnlock()
	if st != nil {
		return st
	}
	st = make()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil || len(s.m) >= maxShapes {
		s.m = map[string]*Statement{}
	}
	s.m[string(shape)] = st
	return st
}

// Statement returns the statement of a shape, which make makes the first time.
func (t *Table) Statement(shape []byte, make func() *Statement) *Statement {
	return t.shapes.get(shape, make)
}

// maxShapes bounds the cache of a table. A table with fifteen columns that
// have defaults could have more; dropping all of them then costs a rendering
// of a microsecond each.
const maxShapes = 1024

// How a column is written by an insert.
const (
	byValue  = 'v'
	byServer = 'd' // left out: its default applies
	byClock  = 'n' // now()
	byOne    = '1' // the first version
	ByRef    = 'r' // the key of another row, which the server knows
	ByNull   = 'z' // NULL for now
)

// InsertShape tells how each writable column of the entity at p is written.
func (t *Table) InsertShape(shape []byte, p unsafe.Pointer) ([]byte, error) {
	for _, col := range t.Writable {
		how, err := t.InsertMode(col, p)
		if err != nil {
			return nil, err
		}
		shape = append(shape, how)
	}
	return shape, nil
}

// InsertMode tells how one column of the entity at p is written.
func (t *Table) InsertMode(col *meta.Column, p unsafe.Pointer) (byte, error) {
	switch {
	case col == t.UpdatedAt:
		return byClock, nil
	case col == t.CreatedAt && col.Zero(p):
		return byClock, nil
	case col == t.Version && col.Zero(p):
		return byOne, nil
	case t.IsKey(col) && (len(t.Key) == 1 && col.Zero(p)):
		if !t.KeyByServer {
			return 0, &smrt.ValueError{
				Table: t.Name, Column: col.Name, Row: -1, Offset: -1, Err: smrt.ErrZeroKey,
				Reason: "assign a key before the row is created, or declare the table with KeyByDatabase",
			}
		}
		return byServer, nil
	case slices.Contains(t.Defaults, col) && col.Zero(p):
		return byServer, nil
	}
	return byValue, nil
}

// InsertParts are the pieces of an insert of one shape.
type InsertParts struct {
	Names  []string // columns written
	Values []string // what is written: "" stands for an argument
	Args   []*meta.Column
	Refs   []*meta.Column // written as the keys of other rows
	Back   []*meta.Column // what the server decided
}

// RefValue stands for the key of another row among the values.
const RefValue = "?"

// InsertParts returns the pieces of the insert of a shape.
func (t *Table) InsertParts(shape []byte) InsertParts {
	var p InsertParts
	var decided []*meta.Column
	for i, how := range shape {
		col := t.Writable[i]
		if how != byValue && (how != ByRef || len(t.Key) == 1 && t.IsKey(col)) { // of other references the key is known
			decided = append(decided, col)
		}
		if how == byServer {
			continue
		}
		p.Names = append(p.Names, col.Quoted)
		switch how {
		case byClock:
			p.Values = append(p.Values, "now()")
		case byOne:
			p.Values = append(p.Values, "1")
		case ByNull:
			p.Values = append(p.Values, "NULL")
		case ByRef:
			p.Values = append(p.Values, RefValue)
			p.Refs = append(p.Refs, col)
		default:
			p.Values = append(p.Values, "")
			p.Args = append(p.Args, col)
		}
	}
	p.Back = t.readBack(decided...)
	return p
}

// InsertStatement is the statement for one row.
func (t *Table) InsertStatement(shape []byte, x *Conflict) *Statement {
	p := t.InsertParts(shape)
	var b strings.Builder
	b.WriteString("INSERT INTO " + t.Quoted)
	if len(p.Names) == 0 {
		b.WriteString(" DEFAULT VALUES")
	} else {
		n := 0
		for i, v := range p.Values {
			if v == "" {
				n++
				p.Values[i] = "$" + strconv.Itoa(n)
			}
		}
		b.WriteString(" (" + strings.Join(p.Names, ", ") + ") VALUES (" + strings.Join(p.Values, ", ") + ")")
	}
	return t.finishInsert(&b, p, x)
}

// InsertManyStatement returns the statement that inserts rows that travel as
// arrays of the given types.
func (t *Table) InsertManyStatement(p InsertParts, ks []ArrayType, x *Conflict) *Statement {
	from, exprs := Unnest(ks, false)
	n := 0
	for i, v := range p.Values {
		if v == "" {
			p.Values[i] = exprs[n]
			n++
		}
	}
	var b strings.Builder
	b.WriteString("INSERT INTO " + t.Quoted + " (" + strings.Join(p.Names, ", ") + ") SELECT " + strings.Join(p.Values, ", ") + " FROM " + from)
	return t.finishInsert(&b, p, x)
}

// finishInsert adds what is the same for one row and for many.
func (t *Table) finishInsert(b *strings.Builder, p InsertParts, x *Conflict) *Statement {
	st := &Statement{Columns: p.Args}
	if x != nil {
		b.WriteString(x.sql(t))
		b.WriteString(" RETURNING " + x.inserted(t) + ", " + meta.List(t.Struct.Columns))
		st.Returned = t.Targets()
	} else if len(p.Back) > 0 {
		b.WriteString(" RETURNING " + meta.List(p.Back))
		st.Returned = meta.TargetsOf(p.Back, 0)
	}
	st.SQL = b.String()
	return st
}
