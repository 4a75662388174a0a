package crud_test

import (
	"database/sql"
	"math"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/testdb"
)

func TestNumberTypes(t *testing.T) {
	t.Parallel()
	numeric := func(i int64, exp int32) pgtype.Numeric {
		return pgtype.Numeric{Int: big.NewInt(i), Exp: exp, Valid: true}
	}
	inf, nan := math.Inf(1), math.NaN()
	inModes(t, testdb.Empty, []typeCase{
		typed[int16]("smallint", 0, 1, -1, math.MinInt16, math.MaxInt16),
		typed[int8]("smallint", 0, math.MinInt8, math.MaxInt8),
		typed[uint8]("smallint", 0, math.MaxUint8),
		typed[int32]("integer", 0, math.MinInt32, math.MaxInt32),
		typed[uint16]("integer", 0, math.MaxUint16),
		typed[int64]("integer", 0, math.MinInt32, math.MaxInt32),
		typed[int32]("bigint", 0, math.MinInt32, math.MaxInt32),
		typed[int64]("bigint", 0, math.MinInt64, math.MaxInt64),
		typed[int]("bigint", 0, math.MinInt, math.MaxInt),
		typed[uint32]("bigint", 0, math.MaxUint32),
		typed[uint64]("bigint", 0, math.MaxInt64),
		typed[uint64]("numeric", 0, math.MaxUint64),
		typed[int64]("numeric", 0, math.MinInt64, math.MaxInt64),
		typed[*int16]("smallint", nil, new(int16(7))),
		typed[*int32]("integer", nil, new(int32(7))),
		typed[*int64]("bigint", nil, new(int64(7))),
		typed[*int]("integer", nil, new(7)),
		typed[*uint32]("bigint", nil, new(uint32(7))),
		typed[sql.NullInt64]("bigint", sql.NullInt64{}, sql.NullInt64{Int64: 7, Valid: true}),
		typed[sql.NullInt32]("integer", sql.NullInt32{}, sql.NullInt32{Int32: 7, Valid: true}),
		typed[sql.NullInt16]("smallint", sql.NullInt16{}, sql.NullInt16{Int16: 7, Valid: true}),
		typed[sql.Null[int64]]("bigint", sql.Null[int64]{}, sql.Null[int64]{V: 7, Valid: true}),
		typed[pgtype.Int2]("smallint", pgtype.Int2{}, pgtype.Int2{Int16: 7, Valid: true}),
		typed[pgtype.Int4]("integer", pgtype.Int4{}, pgtype.Int4{Int32: 7, Valid: true}),
		typed[pgtype.Int8]("bigint", pgtype.Int8{}, pgtype.Int8{Int64: 7, Valid: true}),
		typed[pgtype.Uint32]("oid", pgtype.Uint32{}, pgtype.Uint32{Uint32: math.MaxUint32, Valid: true}),
		typed[uint32]("oid", 0, math.MaxUint32),
		typed[float32]("real", 0, 1.5, -math.MaxFloat32, float32(inf), float32(-inf), float32(nan), math.SmallestNonzeroFloat32),
		typed[float64]("double precision", 0, 0.1, math.MaxFloat64, inf, -inf, nan, math.SmallestNonzeroFloat64),
		typed[float64]("real", 0, 1.5),
		typed[float64]("numeric", 0, 1.25, -1e10),
		typed[*float64]("double precision", nil, new(inf), new(1.5)),
		typed[sql.NullFloat64]("double precision", sql.NullFloat64{}, sql.NullFloat64{Float64: 1.5, Valid: true}),
		typed[pgtype.Float8]("double precision", pgtype.Float8{}, pgtype.Float8{Float64: 1.5, Valid: true}),
		typed[pgtype.Float4]("real", pgtype.Float4{}, pgtype.Float4{Float32: 1.5, Valid: true}),
		typed[pgtype.Numeric]("numeric", pgtype.Numeric{}, numeric(125, -2), numeric(7, 0), numeric(-3, 0),
			pgtype.Numeric{NaN: true, Valid: true}, pgtype.Numeric{InfinityModifier: pgtype.Infinity, Valid: true}),
		typed[pgtype.Numeric]("numeric(10,2)", numeric(199, -2), numeric(-5, -2)),
		typed[*pgtype.Numeric]("numeric", nil, new(numeric(125, -2))),
		typed[bool]("boolean", true, false),
		typed[*bool]("boolean", nil, new(false), new(true)),
		typed[sql.NullBool]("boolean", sql.NullBool{}, sql.NullBool{Valid: true}),
		typed[pgtype.Bool]("boolean", pgtype.Bool{}, pgtype.Bool{Bool: true, Valid: true}),
		typed[pgtype.Bits]("varbit", pgtype.Bits{}, pgtype.Bits{Bytes: []byte{0xa0}, Len: 3, Valid: true}),
	})
}

func TestTextTypes(t *testing.T) {
	t.Parallel()
	texts := []string{"", " ", "a", `q"u\o'te`, "NULL", "{a,b}", "süß 日本 🙂", "line\nbreak\ttab", `\x00`, "%_"}
	type name string
	inModes(t, testdb.Empty, []typeCase{
		typed("text", texts...),
		typed("varchar(40)", texts...),
		typed[string]("char(4)", "abcd", "a   "),
		typed[string]("name", "a", "b"),
		typed[string](`"char"`, "a", "b"),
		typed[name]("text", "", "a", `"`),
		typed[*string]("text", nil, new(""), new("a"), new("NULL")),
		typed[*name]("text", nil, new(name(""))),
		typed[sql.NullString]("text", sql.NullString{}, sql.NullString{Valid: true}, sql.NullString{String: "a", Valid: true}),
		typed[pgtype.Text]("text", pgtype.Text{}, pgtype.Text{Valid: true}, pgtype.Text{String: "NULL", Valid: true}),
		typed[[]byte]("bytea", nil, []byte{}, []byte{0}, []byte{0, 1, 255, '\\'}, []byte(`\x41`)),
		typeNeeded(typed[[]byte]("text", nil, []byte{}, []byte("a"))),
		typed[*[]byte]("bytea", nil, new([]byte{0, 1})),
		typed[[16]byte]("uuid", [16]byte{}, [16]byte{0, 1, 2, 15: 255}),
		own[[16]byte]("text", [16]byte{}, [16]byte{0, 1, 2, 15: 255}),
		own[[16]byte]("varchar(36)", [16]byte{0, 1, 2, 15: 255}),
		own[[16]byte]("char(40)", [16]byte{0, 1, 2, 15: 255}),
		own[*[16]byte]("text", nil, new([16]byte{1})),
		typeNeeded(own[[16]byte]("bytea", [16]byte{}, [16]byte{0, 1, 2, 15: 255})),
		own[[32]byte]("bytea", [32]byte{}, [32]byte{0, 1, 2, 31: 255}),
		typed[*[16]byte]("uuid", nil, new([16]byte{1})),
		typed[pgtype.UUID]("uuid", pgtype.UUID{}, pgtype.UUID{Bytes: [16]byte{1}, Valid: true}),
		typed[string]("uuid", "00010203-0405-0607-0809-0a0b0c0d0e0f"),
		typed[netip.Addr]("inet", netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::1")),
		typed[netip.Prefix]("inet", netip.MustParsePrefix("10.0.0.1/32"), netip.MustParsePrefix("10.0.0.1/8")),
		typed[netip.Prefix]("cidr", netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")),
		typed[*netip.Addr]("inet", nil, new(netip.MustParseAddr("10.0.0.1"))),
		typeNeeded(typed[net.HardwareAddr]("macaddr", nil, net.HardwareAddr{1, 2, 3, 4, 5, 6})),
		typed[pgtype.Point]("point", pgtype.Point{}, pgtype.Point{P: pgtype.Vec2{X: 1.5, Y: -2}, Valid: true}),
		typed[pgtype.TSVector]("tsvector", pgtype.TSVector{}, pgtype.TSVector{
			Valid:   true,
			Lexemes: []pgtype.TSVectorLexeme{{Word: "a", Positions: []pgtype.TSVectorPosition{{Position: 1, Weight: pgtype.TSVectorWeightA}}}},
		}),
		typed[string]("xml", "<a/>", "<b>x</b>"),
	})
}

func TestTimeTypes(t *testing.T) {
	t.Parallel()
	day := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	moment := time.Date(2024, 2, 29, 23, 59, 59, 999_999_000, time.UTC)
	old, late := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	// Far beyond the 292 years around 1970 that nanoseconds can count.
	last := time.Date(294276, 12, 31, 23, 59, 59, 0, time.UTC)
	east := time.FixedZone("", 5*3600+1800)
	inModes(t, testdb.Empty, []typeCase{
		typed[time.Time]("timestamptz", moment, old, late, last, moment.In(east)),
		typed[time.Time]("timestamp", moment, old, late, last),
		typed[time.Time]("date", day, old, day.AddDate(-1500, 0, 0)),
		typed[*time.Time]("timestamptz", nil, new(moment)),
		typed[*time.Time]("timestamp", nil, new(moment)),
		typed[*time.Time]("date", nil, new(day)),
		typed[sql.NullTime]("timestamptz", sql.NullTime{}, sql.NullTime{Time: moment, Valid: true}),
		typed[pgtype.Timestamptz]("timestamptz", pgtype.Timestamptz{}, pgtype.Timestamptz{Time: moment, Valid: true},
			pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true},
			pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}),
		typed[pgtype.Timestamp]("timestamp", pgtype.Timestamp{}, pgtype.Timestamp{Time: moment, Valid: true},
			pgtype.Timestamp{InfinityModifier: pgtype.Infinity, Valid: true}),
		typed[pgtype.Date]("date", pgtype.Date{}, pgtype.Date{Time: day, Valid: true},
			pgtype.Date{InfinityModifier: pgtype.NegativeInfinity, Valid: true}),
		typed[pgtype.Time]("time", pgtype.Time{}, pgtype.Time{Microseconds: 86_399_999_999, Valid: true}),
		typed[pgtype.Interval]("interval", pgtype.Interval{}, pgtype.Interval{Months: 14, Days: -3, Microseconds: 1, Valid: true}),
		typed[time.Duration]("interval", 0, time.Hour, -90*time.Second),
		typed[*time.Duration]("interval", nil, new(time.Hour)),
		typed[string]("timetz", "12:00:00+02"),
	})
}
