package crud_test

import (
	"database/sql"
	"encoding/json"
	"math/big"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

type (
	ownText  string
	ownInt   int32
	ownBytes []byte
)

// fields are types of fields.
var fields = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int16](), reflect.TypeFor[int32](), reflect.TypeFor[int64](), reflect.TypeFor[int](), reflect.TypeFor[uint32](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[string](), reflect.TypeFor[ownText](), reflect.TypeFor[ownInt](), reflect.TypeFor[[]byte](), reflect.TypeFor[ownBytes](),
	reflect.TypeFor[time.Time](), reflect.TypeFor[time.Duration](), reflect.TypeFor[[16]byte](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[map[string]any](),
	reflect.TypeFor[[]string](), reflect.TypeFor[[]int64](), reflect.TypeFor[[]bool](), reflect.TypeFor[[]time.Time](), reflect.TypeFor[*big.Int](), reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.Prefix](),
	reflect.TypeFor[sql.NullInt64](), reflect.TypeFor[sql.NullString](), reflect.TypeFor[sql.NullTime](),
	reflect.TypeFor[pgtype.Text](), reflect.TypeFor[pgtype.Int4](), reflect.TypeFor[pgtype.Int8](), reflect.TypeFor[pgtype.Bool](), reflect.TypeFor[pgtype.Numeric](), reflect.TypeFor[pgtype.Timestamptz](),
	reflect.TypeFor[pgtype.Timestamp](), reflect.TypeFor[pgtype.Date](), reflect.TypeFor[pgtype.Interval](), reflect.TypeFor[pgtype.UUID](), reflect.TypeFor[pgtype.TSVector](), reflect.TypeFor[pgtype.Range[int32]](),
	reflect.TypeFor[*int64](), reflect.TypeFor[*string](), reflect.TypeFor[*time.Time](),
}

// column is a type of a column and a value of it.
type column struct{ sqlType, value string }

// byValue reports whether it depends on the value whether a field holds it: some texts
// are those of a uuid or of JSON, and JSON may be anything.
func (c column) byValue(field reflect.Type) bool {
	switch {
	case c.value == "a", c.sqlType == "bytea":
		return field == reflect.TypeFor[[16]byte]() || field == reflect.TypeFor[json.RawMessage]()
	case strings.HasPrefix(c.sqlType, "json"):
		return !slices.Contains([]reflect.Type{
			reflect.TypeFor[string](), reflect.TypeFor[[]byte](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[map[string]any](), reflect.TypeFor[pgtype.Text](),
		}, field)
	case c.sqlType == "money", c.sqlType == "xml": // pgx does not know the one and reads the other with encoding/xml
		return field.Kind() != reflect.String
	case c.sqlType == "cidr":
		return field == reflect.TypeFor[netip.Addr]()
	case strings.HasSuffix(c.sqlType, "[]"):
		return field == reflect.TypeFor[[16]byte]()
	case strings.HasPrefix(c.sqlType, "numeric("):
		return field == reflect.TypeFor[sql.NullInt64]()
	}
	return false
}

// columns have values that as many fields as possible hold.
var columns = []column{
	{"boolean", "true"},
	{"smallint", "5"},
	{"integer", "5"},
	{"bigint", "5"},
	{"real", "5"},
	{"double precision", "5"},
	{"numeric", "5"},
	{"numeric(6,2)", "5"},
	{"text", "a"},
	{"varchar(40)", "a"},
	{"char(3)", "a"},
	{"text_domain", "a"},
	{"bytea", `\x61`},
	{"uuid", "00000000-0000-0000-0000-000000000005"},
	{"date", "2026-01-05"},
	{"time", "05:00"},
	{"timestamp", "2026-01-05 00:00"},
	{"timestamptz", "2026-01-05 00:00Z"},
	{"interval", "5 s"},
	{"json", `{"a":5}`},
	{"jsonb", `{"a":5}`},
	{"text[]", "{5}"},
	{"bigint[]", "{5}"},
	{"boolean[]", "{t}"},
	{"timestamptz[]", "{2026-01-05 00:00Z}"},
	{"inet", "10.0.0.5"},
	{"cidr", "10.0.0.0/8"},
	{"int4range", "[5,6)"},
	{"tsvector", "'five':5"},
	{"money", "5"},
	{"mood", "a"},
	{"five", "5"},
	{"xml", "<a/>"},
	{"point", "(5,5)"},
	{"bit(3)", "101"},
}

// TestFits compares what Fits says of a field and the type of a column with a round
// trip: a value is read into the field and written from it.
func TestFits(t *testing.T) {
	pool := testdb.Pool(t, testdb.Empty, testdb.ExecMode(pgx.QueryExecModeCacheStatement)) // others do not know the column's type
	exec(t, pool, "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE DOMAIN five AS bigint CHECK (VALUE = 5); CREATE DOMAIN text_domain AS text")
	agreed := [2]int{}
	for i, column := range columns {
		for j, field := range fields {
			if !check.Long() && (i+j)%4 != 0 {
				continue
			}
			fits, why := roundTrip(t, newCells(t, pool, column.sqlType, field), column.value)
			cell := newCells(t, pool, column.sqlType, field)
			conn := check.Value(pool.Acquire(t.Context()))(t)
			var oid, base uint32
			check.NoError(t, conn.QueryRow(t.Context(), "SELECT oid, CASE WHEN typtype = 'e' THEN 'text'::regtype ELSE coalesce(nullif(typbasetype, 0), oid) END FROM pg_type WHERE oid = $1::text::regtype", column.sqlType).Scan(&oid, &base))
			reads, writes := cell.v.Fits(conn.Conn().TypeMap(), oid, base)
			conn.Release()
			if column.byValue(field) {
				continue
			}
			if (reads && writes) != fits {
				t.Errorf("%s in a %s: reads %t, writes %t, and a round trip: %t %v", column.sqlType, field, reads, writes, fits, why)
				continue
			}
			agreed[map[bool]int{true: 1}[fits]]++
		}
	}
	t.Logf("%d pairs fit, %d do not", agreed[1], agreed[0])
	if agreed[0] < 200 || agreed[1] < 60 {
		t.Error("too little was compared")
	}
}

// roundTrip reports whether a value is read, written and read again.
func roundTrip(t *testing.T, c *cells, value string) (bool, error) {
	t.Helper()
	ctx := t.Context()
	exec(t, c.pool, "INSERT INTO "+c.Table.Quoted+" (id, v) VALUES (1, $$"+value+"$$)")
	id := int64(1)
	p, err := c.Get(ctx, unsafe.Pointer(&id), nil)
	if err != nil {
		return false, err
	}
	entity := reflect.NewAt(c.entity, p).Elem()
	entity.Field(0).SetInt(2)
	if err := c.Insert(ctx, p); err != nil {
		return false, err
	}
	var same bool
	check.NoError(t, c.pool.QueryRow(ctx, "SELECT count(DISTINCT v::text) = 1 FROM "+c.Table.Quoted).Scan(&same))
	return same, nil
}
