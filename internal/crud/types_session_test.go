package crud_test

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/testdb"
)

// sealed is stored in another form. Both of its methods are the pointer's, as
// of many types.
type sealed string

func (s *sealed) Value() (driver.Value, error) {
	if *s == "" {
		return "", nil
	}
	return "sealed:" + string(*s), nil
}

func (s *sealed) Scan(v any) error {
	*s = sealed(strings.TrimPrefix(fmt.Sprint(v), "sealed:"))
	return nil
}

func TestValueOfThePointer(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec} {
		pool := testdb.Pool(t, testdb.Empty, testdb.ExecMode(mode))
		for _, c := range []typeCase{
			typed[sealed]("text", "", "clear", "clear too"),
			typed[*sealed]("text", nil, new(sealed("clear"))),
			typed[[]sealed]("text[]", nil, []sealed{}, []sealed{"clear", ""}),
			typed[pgtype.FlatArray[sealed]]("text[]", nil, pgtype.FlatArray[sealed]{"clear"}),
		} {
			t.Run(mode.String()+" "+c.name, func(t *testing.T) { c.run(t, pool) })
		}
		rows, err := pool.Query(t.Context(), "SELECT relname::text FROM pg_class WHERE relname LIKE 'cells%' AND relkind = 'r'")
		if err != nil {
			t.Fatal(err)
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			var open int
			err := pool.QueryRow(t.Context(), "SELECT count(*) FROM "+name+" WHERE replace(v::text, 'sealed:clear', '') LIKE '%clear%'").Scan(&open)
			if err != nil || open > 0 {
				t.Errorf("%s: %d rows hold what Value hides: %v", name, open, err)
			}
		}
	}
}

// TestTimesInZones writes times of several zones in sessions of several others.
// A timestamptz holds the moment, a timestamp and a date what the clock of the
// time's own location shows, whichever way it is written.
func TestTimesInZones(t *testing.T) {
	t.Parallel()
	evening := time.Date(2024, 2, 28, 23, 30, 0, 123000, time.FixedZone("", -8*3600))
	times := []time.Time{evening, evening.UTC(), evening.In(time.FixedZone("", 5*3600+1800)), time.Time{}.In(time.FixedZone("", -5*3600)), {}}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec} {
		for _, zone := range []string{"UTC", "America/Los_Angeles", "Asia/Kolkata"} {
			t.Run(mode.String()+" "+zone, func(t *testing.T) {
				t.Parallel()
				pool := testdb.Pool(t, testdb.Empty, testdb.ExecMode(mode), testdb.Configure(func(c *pgxpool.Config) {
					c.ConnConfig.RuntimeParams["timezone"] = zone
				}))
				for _, typ := range []string{"timestamptz", "timestamp", "date"} {
					c := newCells(t, pool, typ, reflect.TypeFor[time.Time]())
					for _, v := range times {
						c.isWritten(t, typ, v)
					}
					n := newCells(t, pool, typ, reflect.TypeFor[sql.NullTime]())
					n.isWritten(t, typ, sql.NullTime{Time: evening, Valid: true})
				}
				list := newCells(t, pool, "timestamp[]", reflect.TypeFor[[]time.Time]())
				list.isWritten(t, "timestamp[]", []time.Time{evening})
			})
		}
	}
}

// isWritten compares what an insert, a patch and a write of many rows make of a
// value with what the server makes of its clock.
func (c *cells) isWritten(t *testing.T, typ string, v any) {
	t.Helper()
	ctx := t.Context()
	clock := func(v time.Time) string {
		if v.Year() < 1 {
			return fmt.Sprintf("%04d-", 1-v.Year()) + v.Format("01-02 15:04:05.999999Z07:00") + " BC"
		}
		return v.Format("2006-01-02 15:04:05.999999Z07:00")
	}
	var literal string
	switch v := v.(type) {
	case time.Time:
		literal = clock(v)
	case sql.NullTime:
		literal = clock(v.Time)
	case []time.Time:
		literal = `{"` + clock(v[0]) + `"}`
	}
	one := c.rows(2)
	one.Index(0).Field(1).Set(reflect.ValueOf(v))
	one.Index(1).Field(1).Set(reflect.ValueOf(v))
	if err := c.Insert(ctx, one.Index(0).Addr().UnsafePointer()); err != nil {
		t.Fatalf("%s of %v: %v", typ, v, err)
	}
	id := one.Index(0).Field(0).Int()
	same := func(how string, where string, args ...any) {
		t.Helper()
		var n int
		if err := c.pool.QueryRow(ctx, "SELECT count(*) FROM "+c.Table.Quoted+" WHERE v = ('"+literal+"')::"+typ+" AND "+where, args...).Scan(&n); err != nil || n == 0 {
			t.Errorf("%s: %s of %v is not %s: %v", how, typ, v, literal, err)
		}
	}
	same("insert", "id = $1", id)
	c.isFound(t, id, reflect.ValueOf(v))
	exec(t, c.pool, "UPDATE "+c.Table.Quoted+" SET v = NULL WHERE id = $1", id)
	if err := c.Patch(ctx, one.UnsafePointer(), []plan.Set{{Op: plan.SetValue, Column: c.v, A: v}}); err != nil {
		t.Fatal(err)
	}
	same("patch", "id = $1", id)
	one.Index(0).Field(0).SetInt(0)
	if err := c.InsertMany(ctx, one.UnsafePointer(), 2); err != nil {
		t.Fatal(err)
	}
	same("insert many", "id = $1", one.Index(1).Field(0).Int())
}

// TestOddSessions reads and writes in sessions whose settings change how values
// are shown and read. In exec mode results come as text: a date in another style
// is refused then, and a number keeps the digits that the session shows.
func TestOddSessions(t *testing.T) {
	t.Parallel()
	pi := math.Pi
	moment := time.Date(2024, 2, 3, 4, 5, 6, 7000, time.UTC)
	cases := []typeCase{
		typed[[]byte]("bytea", []byte{}, []byte{0, 1, 255, '\\', 'a', '\''}, []byte(`\x41`), []byte(`\101`)),
		typed[*[]byte]("bytea", nil, new([]byte{0, '\\'})),
		typed[[][]byte]("bytea[]", [][]byte{{0, 255, '"'}, {}, []byte(`\`)}),
		typed[string]("text", `a'b\c`, `\x`, "''"),
		typed[[]string]("text[]", []string{`a'b\c`, `"`}),
		typed[pgtype.Interval]("interval", pgtype.Interval{Months: -14, Days: 3, Microseconds: 5, Valid: true},
			pgtype.Interval{Months: 1, Days: -3, Microseconds: -1e9, Valid: true}, pgtype.Interval{Days: -1, Microseconds: 3600e6, Valid: true}),
		typed[[]pgtype.Interval]("interval[]", []pgtype.Interval{{Months: -14, Days: 3, Valid: true}, {}}),
		typed[time.Duration]("interval", time.Hour, -90*time.Second),
		typed[time.Time]("timestamptz", moment), typed[time.Time]("timestamp", moment),
		typed[time.Time]("date", moment.Truncate(24*time.Hour)),
		typed[float64]("double precision", 0.5, pi, 1/pi), typed[float32]("real", 0.5, float32(pi)),
		typed[pgtype.Numeric]("numeric", pgtype.Numeric{Valid: true, NaN: true}),
		typed[[16]byte]("uuid", [16]byte{1}), typed[bool]("boolean", true, false),
	}
	for name, odd := range map[string]map[string]string{
		"bytea":    {"bytea_output": "escape", "standard_conforming_strings": "off", "backslash_quote": "on"},
		"interval": {"intervalstyle": "sql_standard"},
		"verbose":  {"intervalstyle": "postgres_verbose", "datestyle": "SQL, DMY"},
		"german":   {"datestyle": "German", "intervalstyle": "iso_8601", "lc_monetary": "C"},
		"floats":   {"extra_float_digits": "-3"},
	} {
		for _, mode := range []pgx.QueryExecMode{
			pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec,
		} {
			t.Run(name+" "+mode.String(), func(t *testing.T) {
				t.Parallel()
				pool := testdb.Pool(t, testdb.Empty, testdb.ExecMode(mode), testdb.Configure(func(c *pgxpool.Config) {
					for k, v := range odd {
						c.ConnConfig.RuntimeParams[k] = v
					}
				}))
				for _, c := range cases {
					text := mode == pgx.QueryExecModeExec
					switch {
					case text && odd["intervalstyle"] != "" && strings.HasPrefix(c.name, "interval"):
						continue
					case text && odd["datestyle"] != "" && (strings.HasPrefix(c.name, "time") || strings.HasPrefix(c.name, "date")):
						continue
					case text && odd["extra_float_digits"] != "" && (strings.HasPrefix(c.name, "double") || strings.HasPrefix(c.name, "real")):
						continue
					case odd["bytea_output"] != "" && c.name[:5] == "bytea":
						c = own[[]byte]("bytea", []byte{}, []byte{0, 1, 255, '\\', 'a', '\''}, []byte(`\x41`), []byte(`\101`))
					}
					t.Run(c.name, func(t *testing.T) { c.run(t, pool) })
				}
			})
		}
	}
}

// TestBeyondReal gives a real numbers that would become infinite or zero.
func TestBeyondReal(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Empty)
	for _, typ := range []string{"real", "double precision", "numeric"} {
		c := newCells(t, pool, typ, reflect.TypeFor[float64]())
		for _, v := range []float64{1e300, -1e39, 1e-300} {
			rows := c.rows(2)
			rows.Index(0).Field(1).SetFloat(v)
			one := c.Insert(t.Context(), rows.UnsafePointer())
			rows.Index(0).Field(0).SetInt(0)
			many := c.InsertMany(t.Context(), rows.UnsafePointer(), 2)
			rows.Index(0).Field(0).SetInt(1)
			exec(t, pool, "INSERT INTO "+c.Table.Quoted+" (id) VALUES (1) ON CONFLICT DO NOTHING")
			patch := c.Patch(t.Context(), rows.UnsafePointer(), []plan.Set{{Op: plan.SetValue, Column: c.v, A: v}})
			_, found := c.Count(t.Context(), &plan.Spec{Where: []plan.Node{{Op: plan.Eq, Column: c.v, A: v}}})
			for how, err := range map[string]error{"insert": one, "insert many": many, "patch": patch, "count": found} {
				if refused := err != nil; refused != (typ == "real") {
					t.Errorf("%s of %g as %s: %v", how, v, typ, err)
				}
			}
		}
	}
}
