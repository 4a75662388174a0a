package keyset_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/keyset"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/query"
)

// row is the current row of a result.
type row struct {
	pgx.Rows
	types  *pgtype.Map
	fields []pgconn.FieldDescription
	values [][]byte
}

func (r *row) TypeMap() *pgtype.Map                         { return r.types }
func (r *row) FieldDescriptions() []pgconn.FieldDescription { return r.fields }
func (r *row) RawValues() [][]byte                          { return r.values }

// newRow is a row of a price and a key, as text.
func newRow(price, id int) *row {
	text := pgconn.FieldDescription{DataTypeOID: pgtype.Int8OID, Format: pgtype.TextFormatCode}
	return &row{
		types: pgtype.NewMap(), fields: []pgconn.FieldDescription{text, text},
		values: [][]byte{[]byte(strconv.Itoa(price)), []byte(strconv.Itoa(id))},
	}
}

func window(t *testing.T, secrets [][]byte, after string) (*keyset.Window, error) {
	t.Helper()
	p := keyset.Pager{Table: shop.Products.Plan().Table, Secrets: secrets}
	return p.Window(t.Context(), query.All[shop.Product]().OrderBy(shop.Price.Desc()).Plan(), keyset.Request{Size: 20, After: after})
}

// cursor makes a cursor of a row with one secret, or without.
func cursor(t *testing.T, secrets ...[]byte) string {
	t.Helper()
	w := check.Value(window(t, secrets, ""))(t)
	return check.Value(w.Cursor(newRow(500, 7), []int{0, 1}))(t)
}

// Cursors of the newest secret and of older ones are accepted, those of none and of others are not.
func TestSecretsOfCursors(t *testing.T) {
	t.Parallel()
	newer, older, other := []byte("newer"), []byte("older"), []byte("other")
	for _, c := range []struct {
		what     string
		accepted [][]byte
		cursor   string
		ok       bool
	}{
		{"without a secret", nil, cursor(t), true},
		{"the only secret", [][]byte{newer}, cursor(t, newer), true},
		{"the first of two", [][]byte{newer, older}, cursor(t, newer), true},
		{"the second of two", [][]byte{newer, older}, cursor(t, older), true},
		{"no secret where there is one", [][]byte{newer}, cursor(t), false},
		{"a secret where there is none", nil, cursor(t, newer), false},
		{"another secret", [][]byte{newer, older}, cursor(t, other), false},
		{"signed by one, made before it was the second", [][]byte{older}, cursor(t, newer, older), false},
	} {
		_, err := window(t, c.accepted, c.cursor)
		wrong := new(smrt.CursorError)
		if c.ok && err != nil || !c.ok && (!errors.As(err, &wrong) || wrong.Reason != "tampered") {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// The query and the order are summed up once for the cursors of a page, and so is the secret.
func TestCursorsOfAPageAllocateLittle(t *testing.T) {
	check.Plain(t)
	const most = 40
	after, r := cursor(t, []byte("secret")), newRow(500, 7)
	secrets := [][]byte{[]byte("secret")}
	n := testing.AllocsPerRun(20, func() {
		w := check.Value(window(t, secrets, after))(t)
		first, last := check.Value(w.Cursor(r, []int{0, 1}))(t), check.Value(w.Cursor(r, []int{0, 1}))(t)
		check.Same(t, "cursor of the same row", first, last)
	})
	if n > most {
		t.Errorf("a page with two cursors allocates %v times, more than %d", n, most)
	}
}
