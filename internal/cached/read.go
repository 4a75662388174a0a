package cached

import (
	"bytes"
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/handle"
)

// Table is what is kept of the rows of one table for the reads of one handle.
type Table interface {
	// Look returns the row that is kept under a key. If there is none it returns what
	// a statement that is sent afterwards is to be kept with.
	Look(ctx context.Context, k Key) (*Row, Token, Answer)

	// Shape returns what the last row was, nil if there was none.
	Shape() *Shape

	// Load calls read, once for all that miss the key with the same token at the same
	// time, and keeps its row under the token. A nil row is one that does not exist. It
	// returns an error too if what another has read does not do for ctx.
	Load(ctx context.Context, k Key, t Token, read func(context.Context) (*Row, error)) (*Row, error)

	// Keep keeps a row, unless something it depends on has changed since the token was
	// made. Its statement was sent after the moment that Began returned.
	Keep(k Key, t Token, r *Row, began handle.Moment)
	Began() handle.Moment

	// Filling returns the context under which a handle that routes is asked for what
	// will be kept.
	Filling(ctx context.Context) context.Context
}

// Answer is what is known of a key.
type Answer uint8

// The answers.
const (
	Pass   Answer = iota // read without the cache
	Hit                  // the row, nil for one that does not exist
	Miss                 // read, and keep
	Unkept               // read, and do not keep
)

// Key is the key of a row: a number or anything else, and the tenant whose rows are
// seen, nil where there is none.
type Key struct {
	Owner any
	N     int64
	S     string
}

// Token is the values of words before a statement was sent.
type Token struct{ Key, All, Made Value }

// Row is a row as the server has sent it. It never changes.
type Row struct {
	shape *Shape
	data  []byte
	ends  []int32 // of each value in data, negative for NULL
}

// Shape is what the values of rows are.
type Shape struct {
	fields []pgconn.FieldDescription
	types  sync.Pool // of *pgtype.Map
}

// NewRow copies the current row of rows. It has the shape of like if that is the same.
func NewRow(rows pgx.Rows, like *Shape) *Row {
	values, n := rows.RawValues(), 0
	for _, v := range values {
		n += len(v)
	}
	r := &Row{shape: shapeOf(rows, like), data: make([]byte, 0, n), ends: make([]int32, len(values))}
	for i, v := range values {
		r.data = append(r.data, v...)
		if r.ends[i] = int32(len(r.data)); v == nil {
			r.ends[i] = ^r.ends[i]
		}
	}
	return r
}

func shapeOf(rows pgx.Rows, like *Shape) *Shape {
	fields := rows.FieldDescriptions()
	if like != nil && len(like.fields) == len(fields) {
		same := true
		for i, f := range fields {
			o := like.fields[i]
			same = same && f.DataTypeOID == o.DataTypeOID && f.Format == o.Format && f.TypeModifier == o.TypeModifier
		}
		if same {
			return like
		}
	}
	s := &Shape{fields: make([]pgconn.FieldDescription, len(fields))}
	for i, f := range fields {
		s.fields[i] = pgconn.FieldDescription{Name: f.Name, DataTypeOID: f.DataTypeOID, DataTypeSize: f.DataTypeSize, TypeModifier: f.TypeModifier, Format: f.Format}
	}
	first := rows.TypeMap().Copy() // of a connection, which is another's soon
	s.types.New = func() any { return first.Copy() }
	return s
}

// Shape returns what the values of the row are.
func (r *Row) Shape() *Shape { return r.shape }

// Len returns how many bytes the values have.
func (r *Row) Len() int { return len(r.data) }

// Size returns about how many bytes the row takes.
func (r *Row) Size() int {
	if r == nil {
		return 0
	}
	return cap(r.data) + 4*cap(r.ends) + 64
}

// Values appends the values, which must not be changed, or copies of them.
func (r *Row) Values(to [][]byte, copies bool) [][]byte {
	data, at := r.data, int32(0)
	if copies {
		data = bytes.Clone(data)
	}
	for _, end := range r.ends {
		if end < 0 {
			to, at = append(to, nil), ^end
			continue
		}
		to, at = append(to, data[at:end:end]), end
	}
	return to
}

// Fields returns the types of the values.
func (s *Shape) Fields() []pgconn.FieldDescription { return s.fields }

// Types returns types to decode values with, which nobody else uses until they are
// given back.
func (s *Shape) Types() *pgtype.Map { return s.types.Get().(*pgtype.Map) }

// Give gives types back.
func (s *Shape) Give(m *pgtype.Map) { s.types.Put(m) }
