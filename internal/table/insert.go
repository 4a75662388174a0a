package table

import (
	"slices"
	"sync"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/traced"
)

// shapes caches statements by shape: which columns of an entity are written
// and which are left to the server. A table has few: one for each combination
// of zero values among the columns with defaults that a program really writes.
type shapes struct {
	mu sync.RWMutex
	m  map[string]*Statement
}

func (s *shapes) get(table string, shape []byte, make func() *Statement) *Statement {
	s.mu.RLock()
	st := s.m[string(shape)] // does not allocate
	s.mu.RUnlock()
	if st != nil {
		return st
	}
	st = make()
	if st.SQL != "" {
		st.name = traced.Keep(st.SQL, traced.Name{Table: table, Operation: string(st.Operation)})
	}
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
	return t.shapes.get(t.Name, shape, make)
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

// InsertShape appends how each writable column of the entity at p is written.
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

// InsertMode returns how one column of the entity at p is written.
func (t *Table) InsertMode(col *meta.Column, p unsafe.Pointer) (byte, error) {
	switch {
	case col == t.UpdatedAt:
		return byClock, nil
	case col == t.CreatedAt && col.Zero(p):
		return byClock, nil
	case col == t.Version && col.Zero(p):
		return byOne, nil
	case t.LeftToServer(col, p):
		if !t.MadeByServer(col) {
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
	As      string         // an alias of the table, after AS
	Columns []*meta.Column // that are written
	Values  []string       // what is written to each: "" stands for an input
	Args    []*meta.Column // whose values are arguments
	Back    []*meta.Column // what the server decides
}

// InsertParts returns the pieces of the insert of a shape.
func (t *Table) InsertParts(shape []byte) InsertParts {
	p := InsertParts{Args: t.InsertArgs(shape)}
	var decided []*meta.Column
	for i, how := range shape {
		col := t.Writable[i]
		if how != byValue && (how != ByRef || t.isMade(col)) { // of other references the key is known
			decided = append(decided, col)
		}
		if how == byServer {
			continue
		}
		value := ""
		switch how {
		case byClock:
			value = "now()"
		case byOne:
			value = "1"
		case ByNull:
			value = "NULL"
		}
		p.Columns, p.Values = append(p.Columns, col), append(p.Values, value)
	}
	p.Back = t.readBack(decided...)
	return p
}

// isMade reports whether a column is the key, or a part of it that the server
// makes.
func (t *Table) isMade(col *meta.Column) bool {
	return t.MadeByServer(col) || len(t.Key) == 1 && t.IsKey(col)
}

// KeysMade returns the columns of the key whose values only the server knows when
// it inserts rows of a shape.
func (t *Table) KeysMade(shape []byte) []*meta.Column {
	var made []*meta.Column
	for _, k := range t.Key {
		i := slices.Index(t.Writable, k.Column)
		if i < 0 || len(t.Key) == 1 || shape[i] == byServer || shape[i] == ByRef && k.ByServer {
			made = append(made, k.Column)
		}
	}
	return made
}

// InsertArgs returns the columns whose values are arguments of the insert of a
// shape.
func (t *Table) InsertArgs(shape []byte) []*meta.Column {
	columns := make([]*meta.Column, 0, len(shape))
	for i, how := range shape {
		if how == byValue {
			columns = append(columns, t.Writable[i])
		}
	}
	return columns
}
