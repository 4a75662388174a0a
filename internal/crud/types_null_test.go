package crud_test

import (
	"errors"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/testdb"
)

// unreadable makes a case of a value that a field cannot hold.
func unreadable[V any](sqlType, value string, want error) typeCase {
	c := typed[V](sqlType)
	c.name += " from " + value
	c.run = func(t *testing.T, pool *pgxpool.Pool) {
		c := newCells(t, pool, sqlType, reflect.TypeFor[V]())
		exec(t, pool, "INSERT INTO "+c.Table.Quoted+" (id, v) VALUES (7, "+value+")")
		ctx := t.Context()
		ids := []int64{7}
		_, get := c.Get(ctx, unsafe.Pointer(&ids[0]), nil)
		_, find := c.Find(ctx, &plan.Spec{}, nil)
		_, many := c.GetMany(ctx, unsafe.Pointer(&ids[0]), 1)
		var stream error
		c.Stream(ctx, &plan.Spec{}, func(_ unsafe.Pointer, err error) bool {
			stream = err
			return err == nil
		})
		for what, err := range map[string]error{"Get": get, "Find": find, "GetMany": many, "Stream": stream} {
			var v *smrt.ValueError
			if !errors.Is(err, want) || !errors.As(err, &v) || v.Column != "v" || v.Table != c.Table.Name {
				t.Errorf("%s: %v, want %v of column v", what, err, want)
			}
		}
	}
	return c
}

func TestUnreadableValues(t *testing.T) {
	t.Parallel()
	inModes(t, testdb.Empty, []typeCase{
		unreadable[int64]("bigint", "NULL", smrt.ErrNullValue),
		unreadable[string]("text", "NULL", smrt.ErrNullValue),
		unreadable[bool]("boolean", "NULL", smrt.ErrNullValue),
		unreadable[float64]("double precision", "NULL", smrt.ErrNullValue),
		unreadable[time.Time]("timestamptz", "NULL", smrt.ErrNullValue),
		unreadable[[16]byte]("uuid", "NULL", smrt.ErrNullValue),
		unreadable[settings]("jsonb", "NULL", smrt.ErrNullValue),
		unreadable[time.Duration]("interval", "NULL", smrt.ErrNullValue),
		unreadable[int16]("integer", "32768", smrt.ErrOutOfRange),
		unreadable[int32]("bigint", "2147483648", smrt.ErrOutOfRange),
		unreadable[uint32]("bigint", "-1", smrt.ErrOutOfRange),
		unreadable[int64]("numeric", "1e30", smrt.ErrOutOfRange),
		unreadable[time.Time]("timestamptz", "'infinity'", smrt.ErrOutOfRange),
		unreadable[time.Time]("timestamp", "'-infinity'", smrt.ErrOutOfRange),
		unreadable[time.Time]("date", "'infinity'", smrt.ErrOutOfRange),
		unreadable[*time.Time]("timestamptz", "'infinity'", smrt.ErrOutOfRange),
		unreadable[[]int32]("integer[]", "'{1,NULL}'", smrt.ErrWrongType),
		unreadable[pgtype.Int2]("integer", "32768", smrt.ErrOutOfRange),

		// What would be written back as another value.
		unreadable[time.Duration]("interval", "'1 month'", smrt.ErrOutOfRange),
		unreadable[time.Duration]("interval", "'1 day'", smrt.ErrOutOfRange),
		unreadable[*time.Duration]("interval", "'1 year'", smrt.ErrOutOfRange),
		unreadable[time.Duration]("interval", "'3000000 hours'", smrt.ErrOutOfRange),
		unreadable[[]time.Duration]("interval[]", "'{01:00:00,1 month}'", smrt.ErrOutOfRange),
		unreadable[[]int32]("integer[]", "'{{1,2},{3,4}}'", smrt.ErrOutOfRange),
		unreadable[[]string]("text[]", "'{{a},{b}}'", smrt.ErrOutOfRange),
		unreadable[*[]string]("text[]", "'{{a},{b}}'", smrt.ErrOutOfRange),
		unreadable[pgtype.FlatArray[string]]("text[]", "'{{a},{b}}'", smrt.ErrOutOfRange),
		unreadable[[]int32]("integer[]", "'[0:1]={1,2}'", smrt.ErrOutOfRange),
		unreadable[[][]int32]("integer[]", "'{{{1}}}'", smrt.ErrOutOfRange),
		unreadable[string]("tsvector", "'a:1'", smrt.ErrWrongType),
		unreadable[*string]("money", "1", smrt.ErrWrongType),
		unreadable[float32]("double precision", "0.1", smrt.ErrOutOfRange),
		unreadable[float32]("double precision", "1e300", smrt.ErrOutOfRange),
		unreadable[[16]byte]("text", "'none'", smrt.ErrWrongType),
	})
}
