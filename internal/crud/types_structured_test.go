package crud_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/testdb"
)

// settings is a document, stored as JSON.
type settings struct {
	Theme string            `json:"theme"`
	Sizes []int             `json:"sizes"`
	Extra map[string]string `json:"extra,omitempty"`
}

func TestJSONTypes(t *testing.T) {
	t.Parallel()
	dark := settings{Theme: `dark "1"`, Sizes: []int{1, 2}, Extra: map[string]string{"a": "é"}}
	var cases []typeCase
	for _, sqlType := range []string{"jsonb", "json"} {
		cases = append(cases,
			typed[json.RawMessage](sqlType, nil, json.RawMessage(`{"a": 1}`), json.RawMessage(`[]`), json.RawMessage(`"x"`)),
			typed[settings](sqlType, settings{}, dark),
			typed[*settings](sqlType, nil, &dark),
			typed[[]settings](sqlType, nil, []settings{}, []settings{dark, {}}),
			typed[map[string]int](sqlType, nil, map[string]int{}, map[string]int{"a": 1}),
			typed[map[string]any](sqlType, nil, map[string]any{"a": "b", "c": []any{1.5, nil}}),
			typeNeeded(typed[[]byte](sqlType, nil, []byte(`{"a": 1}`))),
			typeNeeded(typed[[]string](sqlType, nil, []string{}, []string{"a", `"`})),
			typed[*json.RawMessage](sqlType, nil, new(json.RawMessage(`[1]`))),
			typed[string](sqlType, `{"a": 1}`, `[1]`),
		)
	}
	inModes(t, testdb.Empty, cases)
}

func TestArrayTypes(t *testing.T) {
	t.Parallel()
	texts := []string{"", "a", `q"u\o`, "NULL", "{a,b}", "ü"}
	moment := time.Date(2024, 2, 29, 1, 2, 3, 4000, time.UTC)
	type label string
	inModes(t, testdb.Empty, []typeCase{
		typed[[]string]("text[]", nil, []string{}, texts),
		typed[[]string]("varchar(10)[]", nil, []string{}, texts),
		typed[[]*string]("text[]", nil, []*string{}, []*string{nil, new("NULL"), new("")}),
		typed[[]label]("text[]", nil, []label{}, []label{"a", `"`}),
		typed[[]int32]("integer[]", nil, []int32{}, []int32{1, -2, 3}),
		typed[[]int64]("bigint[]", nil, []int64{}, []int64{1, -2, 3}),
		typed[[]int]("integer[]", nil, []int{}, []int{1, 2}),
		typed[[]int16]("smallint[]", nil, []int16{}, []int16{1, 2}),
		typed[[]*int32]("integer[]", nil, []*int32{nil, new(int32(1))}),
		typed[[][]int32]("integer[][]", nil, [][]int32{{1, 2}, {3, 4}}, [][]int32{{5}}),
		typed[[]bool]("boolean[]", nil, []bool{}, []bool{true, false}),
		typed[[]float64]("double precision[]", nil, []float64{0.5, 1e300}),
		typed[[]time.Time]("timestamptz[]", nil, []time.Time{moment, moment.Add(time.Hour)}),
		typed[[][]byte]("bytea[]", nil, [][]byte{{0, 1}, {}}),
		typed[[][16]byte]("uuid[]", nil, [][16]byte{{1}, {2}}),
		typed[[]pgtype.UUID]("uuid[]", nil, []pgtype.UUID{{Bytes: [16]byte{1}, Valid: true}, {}}),
		typed[pgtype.Array[int32]]("integer[]", pgtype.Array[int32]{},
			pgtype.Array[int32]{Elements: []int32{1, 2}, Dims: []pgtype.ArrayDimension{{Length: 2, LowerBound: 1}}, Valid: true}),
		typed[pgtype.FlatArray[string]]("text[]", nil, pgtype.FlatArray[string]{"a", "b"}),
		typed[*[]int32]("integer[]", nil, new([]int32{1, 2})),
		typed[[]pgtype.Numeric]("numeric[]", nil, []pgtype.Numeric{{NaN: true, Valid: true}, {}}),
	})
}

func TestRangeTypes(t *testing.T) {
	t.Parallel()
	type ints = pgtype.Range[pgtype.Int4]
	type times = pgtype.Range[pgtype.Timestamptz]
	four := func(n int32) pgtype.Int4 { return pgtype.Int4{Int32: n, Valid: true} }
	at := func(hour int) pgtype.Timestamptz {
		return pgtype.Timestamptz{Time: time.Date(2024, 1, 1, hour, 0, 0, 0, time.UTC), Valid: true}
	}
	some := ints{Lower: four(1), Upper: four(5), LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true}
	more := ints{Lower: four(9), LowerType: pgtype.Inclusive, UpperType: pgtype.Unbounded, Valid: true}
	empty := ints{LowerType: pgtype.Empty, UpperType: pgtype.Empty, Valid: true}
	hours := times{Lower: at(1), Upper: at(2), LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true}
	inModes(t, testdb.Empty, []typeCase{
		typed[ints]("int4range", ints{}, some, more, empty),
		typed[*ints]("int4range", nil, &some),
		typed[pgtype.Range[int32]]("int4range", pgtype.Range[int32]{},
			pgtype.Range[int32]{Lower: 1, Upper: 5, LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true}),
		typed[times]("tstzrange", times{}, hours),
		typed[pgtype.Range[time.Time]]("tstzrange", pgtype.Range[time.Time]{}, pgtype.Range[time.Time]{
			Lower: at(1).Time, Upper: at(2).Time, LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true,
		}),
		typed[pgtype.Multirange[ints]]("int4multirange", nil, pgtype.Multirange[ints]{}, pgtype.Multirange[ints]{some, more}),
		typed[[]ints]("int4range[]", nil, []ints{some, {}}),
	})
}

// mood is an enum as a program writes it, moodDB as sqlc does.
type (
	mood   string
	moodDB string
)

func (m *moodDB) Scan(src any) error {
	switch s := src.(type) {
	case []byte:
		*m = moodDB(s)
	case string:
		*m = moodDB(s)
	default:
		return fmt.Errorf("unsupported scan type for moodDB: %T", src)
	}
	return nil
}

// nullMood is sqlc's second type for an enum.
type nullMood struct {
	Mood  moodDB
	Valid bool
}

func (m *nullMood) Scan(value any) error {
	if value == nil {
		m.Mood, m.Valid = "", false
		return nil
	}
	m.Valid = true
	return m.Mood.Scan(value)
}

func (m nullMood) Value() (driver.Value, error) {
	if !m.Valid {
		return nil, nil
	}
	return string(m.Mood), nil
}

// csv reads and writes itself.
type csv []string

func (c csv) Value() (driver.Value, error) {
	if c == nil {
		return nil, nil
	}
	return strings.Join(c, ","), nil
}

func (c *csv) Scan(src any) error {
	switch s := src.(type) {
	case nil:
		*c = nil
	case string:
		*c = strings.Split(s, ",")
	default:
		return fmt.Errorf("csv from %T", src)
	}
	return nil
}

// cents writes itself as an integer.
type cents struct{ n int64 }

func (c cents) Value() (driver.Value, error) { return c.n, nil }

func (c *cents) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("cents from %T", src)
	}
	c.n = n
	return nil
}

// place is a composite type.
type place struct {
	City string
	Zip  *int32
}

// userTypes are the types that connections of TestUserTypes know.
var userTypes = testdb.SQL("user_types", `
		CREATE TYPE mood AS ENUM ('happy', 'sad', 'so "so"');
		CREATE DOMAIN small AS integer CHECK (VALUE < 100);
		CREATE DOMAIN smaller AS small CHECK (VALUE < 10);
		CREATE DOMAIN word AS text CHECK (VALUE <> 'x');
		CREATE DOMAIN words AS text[];
		CREATE DOMAIN document AS jsonb;
		CREATE TYPE place AS (city text, zip integer);
		CREATE SCHEMA other;
		CREATE TYPE other."Odd Name" AS ENUM ('A', 'b');`)

func TestUserTypes(t *testing.T) {
	t.Parallel()
	inModes(t, userTypes, []typeCase{
		typed[mood]("mood", "happy", "sad", `so "so"`),
		typed[*mood]("mood", nil, new(mood("sad"))),
		typed[moodDB]("mood", "happy", "sad", `so "so"`),
		typed[*moodDB]("mood", nil, new(moodDB("sad"))),
		typed[nullMood]("mood", nullMood{}, nullMood{Mood: "sad", Valid: true}),
		typed[string](`other."Odd Name"`, "A", "b"),
		typed[int32]("small", 1, 99),
		typed[int32]("smaller", 1, 9),
		typed[*int64]("smaller", nil, new(int64(9))),
		typed[string]("word", "", "a"),
		typed[[]string]("words", nil, []string{}, []string{"a", `"`}),
		typed[json.RawMessage]("document", nil, json.RawMessage(`{"a": 1}`)),
		typed[settings]("document", settings{Theme: "dark"}, settings{}),
		typeNeeded(typed[time.Duration]("bigint", 0, time.Hour)),
		typed[csv]("text", nil, csv{"a", "b"}),
		typed[cents]("bigint", cents{}, cents{199}),
		typed[*cents]("bigint", nil, &cents{199}),
	})
}

// citext is a type that no program knows by its OID: an extension's.
var citext = testdb.SQL("citext", "CREATE EXTENSION citext")

func TestExtensionTypes(t *testing.T) {
	t.Parallel()
	var available bool
	ask := "SELECT EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'citext')"
	if err := testdb.Pool(t, testdb.Empty).QueryRow(t.Context(), ask).Scan(&available); err != nil {
		t.Fatal(err)
	}
	if !available {
		t.Skip("this PostgreSQL comes without citext")
	}
	texts := []string{"", "Mixed Case", "ÄÖ", `q"u\o'te`, "NULL", "{a,b}"}
	inModes(t, citext, []typeCase{
		typed("citext", texts...),
		typed[mood]("citext", "Happy", "sad"),
		typed[*string]("citext", nil, new(""), new("Mixed")),
		typed[sql.NullString]("citext", sql.NullString{}, sql.NullString{String: "Mixed", Valid: true}),
		typed[pgtype.Text]("citext", pgtype.Text{}, pgtype.Text{String: "Mixed", Valid: true}),
		typed[[]string]("citext[]", nil, []string{}, []string{"Mixed", `"`}),
	})
}

// register makes the connection know the types of userTypes.
func register(ctx context.Context, conn *pgx.Conn) error {
	types, err := conn.LoadTypes(ctx, []string{"mood", "place"})
	if err != nil {
		return err
	}
	conn.TypeMap().RegisterTypes(types)
	arrays, err := conn.LoadTypes(ctx, []string{"_mood", "_place"})
	if err != nil {
		return err
	}
	conn.TypeMap().RegisterTypes(arrays)
	conn.TypeMap().RegisterDefaultPgType(place{}, "place")
	conn.TypeMap().RegisterDefaultPgType([]place{}, "_place")
	conn.TypeMap().RegisterDefaultPgType([]mood{}, "_mood")
	return nil
}

func TestRegisteredTypes(t *testing.T) {
	t.Parallel()
	here, nowhere := place{City: `a "b", (c)`, Zip: new(int32(1))}, place{}
	inModes(t, userTypes, []typeCase{
		typed[mood]("mood", "happy", "sad"),
		typed[moodDB]("mood", "happy", "sad"),
		typed[[]mood]("mood[]", nil, []mood{}, []mood{"sad", `so "so"`}),
		typed[place]("place", here, nowhere),
		typed[*place]("place", nil, &here),
		typed[[]place]("place[]", nil, []place{here, nowhere}),
	}, testdb.AfterConnect(register))
}
