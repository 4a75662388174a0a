package repo_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// many is the least number of rows that travel by COPY.
const many = 10_000

// copyCounter is a pool that counts what it copies.
type copyCounter struct {
	*pgxpool.Pool
	copies int
}

func (c *copyCounter) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	c.copies++
	return c.Pool.CopyFrom(ctx, table, columns, rows)
}

func newCopyCounter(t *testing.T, sqlText string, opts ...testdb.Option) *copyCounter {
	t.Helper()
	pool := testdb.Pool(t, testdb.Schema{}, opts...)
	_, err := pool.Exec(t.Context(), sqlText, pgx.QueryExecModeSimpleProtocol)
	check.NoError(t, err)
	return &copyCounter{Pool: pool}
}

// count is the number of rows of a table.
func (c *copyCounter) count(t *testing.T, table string) (n int) {
	t.Helper()
	check.NoError(t, c.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

// reading has a column of each type that a COPY can carry.
type reading struct {
	Place string
	No    int64
	Ok    bool
	Small int16
	Next  int32
	Wide  int64 `db:"narrow"`
	Ratio float32
	Value float64
	Note  *string
	Raw   []byte
	At    *time.Time
	UID   [16]byte `db:"uid"`
	Doc   json.RawMessage
	Tags  []string
}

type readingKey struct {
	Place string
	No    int64
}

const readingSQL = ` (place varchar(20), no bigint, ok boolean, small smallint, next integer, narrow smallint, ratio real,
	value float8, note text, raw bytea, at timestamptz(0), uid uuid, doc jsonb, tags text[] NOT NULL, PRIMARY KEY (place, no));`

func readingTable(name string) *query.Table[reading, readingKey] {
	return query.NewCompositeTable(name, query.Key[reading, readingKey]{
		query.Part(func(r *reading) *string { return &r.Place }, func(k *readingKey) *string { return &k.Place }),
		query.Part(func(r *reading) *int64 { return &r.No }, func(k *readingKey) *int64 { return &k.No }),
	})
}

func newReadings(n int) []reading {
	rs := make([]reading, n)
	for i := range rs {
		note, at := "é\t\\N\"'\n"+strconv.Itoa(i), time.Date(2026, 1, 1, 0, 0, i, 600_000_000, time.FixedZone("", 3600))
		rs[i] = reading{
			Place: "p" + strconv.Itoa(i%7), No: int64(i) - 5, Ok: i%2 == 0, Small: int16(i), Next: int32(-i), Wide: int64(i), Ratio: 0.1, Value: 1 / float64(i+1),
			Raw: []byte{0, byte(i)}, UID: [16]byte{byte(i), 1}, Doc: json.RawMessage(`{"a": [1, "\u00e9"]}`), Tags: []string{"", "a,b", `"`},
		}
		if i%3 == 0 {
			rs[i].Note, rs[i].At = &note, &at
		} else {
			rs[i].Raw, rs[i].Doc, rs[i].Tags = nil, nil, []string{}
		}
	}
	return rs
}

// TestManyRowsAreCopied compares rows that were copied with the same rows in
// smaller calls, which are not.
func TestManyRowsAreCopied(t *testing.T) {
	db, ctx := newCopyCounter(t, "CREATE TABLE copied"+readingSQL+"CREATE TABLE inserted"+readingSQL), t.Context()
	rs := newReadings(many)
	check.NoError(t, repo.New(db, readingTable("public.copied")).CreateMany(ctx, rs))
	check.Same(t, "copies", db.copies, 1)
	inserted := repo.New(db, readingTable("inserted"))
	check.NoError(t, inserted.CreateMany(ctx, rs[1:]))
	check.NoError(t, inserted.Create(ctx, &rs[0]))
	check.Same(t, "copies", db.copies, 1)
	check.Same(t, "rows", db.count(t, "copied"), many)
	check.Same(t, "rows that differ", db.count(t, "(TABLE copied EXCEPT ALL TABLE inserted) AS d"), 0)
}

// TestCopyFailsLikeInsert looks at the errors, and that no row is left behind.
func TestCopyFailsLikeInsert(t *testing.T) {
	db, ctx := newCopyCounter(t, archiveSQL+"; ALTER TABLE vouchers ALTER code TYPE varchar(9)"), t.Context()
	vouchers := repo.New(db, voucherTable)
	var violated *smrt.ConstraintError
	var bad *smrt.ValueError
	for _, c := range []struct {
		name    string
		spoil   func(*voucher)
		want    error
		details func(error) bool
		copies  int
	}{
		{"unique", func(v *voucher) { v.Code = "c0" }, smrt.ErrConflict, func(err error) bool {
			return errors.As(err, &violated) && violated.Constraint == "vouchers_pkey" && violated.Columns[0] == "code"
		}, 1},
		{"check", func(v *voucher) { v.Uses = -1 }, smrt.ErrCheck, func(err error) bool {
			return errors.As(err, &violated) && violated.Constraint == "vouchers_uses_check"
		}, 1},
		{"too long", func(v *voucher) { v.Code = "longer than 9" }, smrt.ErrOutOfRange, func(error) bool { return true }, 1},
		{"not a text", func(v *voucher) { v.Code = "\x00" }, smrt.ErrInvalidText, func(err error) bool {
			return errors.As(err, &bad) && bad.Row == many-1 && bad.Column == "code" && bad.Table == "vouchers"
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			vs := make([]voucher, many)
			for i := range vs {
				vs[i] = voucher{Code: "c" + strconv.Itoa(i)}
			}
			c.spoil(&vs[many-1])
			db.copies = 0
			err := vouchers.CreateMany(ctx, vs)
			if !errors.Is(err, c.want) || !c.details(err) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			check.Same(t, "copies", db.copies, c.copies)
			check.Same(t, "rows", db.count(t, "vouchers"), 0)
		})
	}
}

// TestWhatIsNotCopied names the tables on which a COPY would do something else
// than an INSERT.
func TestWhatIsNotCopied(t *testing.T) {
	for _, c := range []struct {
		name, sql string
		table     *query.Table[voucher, string]
		code      string // SQLSTATE
		rows      int
	}{
		{"plain", "", voucherTable, "", many},
		{"policies", "ALTER TABLE vouchers ENABLE ROW LEVEL SECURITY", voucherTable, "", many},
		{"rule", "CREATE RULE r AS ON INSERT TO vouchers WHERE NEW.code = 'c7' DO INSTEAD NOTHING", voucherTable, "", many - 1},
		{"view", "ALTER TABLE vouchers RENAME TO v; CREATE VIEW vouchers AS SELECT * FROM v", voucherTable, "", many},
		{"another type", "CREATE DOMAIN u AS numeric; ALTER TABLE vouchers ALTER uses TYPE u", voucherTable, "", many},
		{"read back", "", query.NewTable("vouchers", func(v *voucher) *string { return &v.Code }, query.ReadBack(query.Col(func(v *voucher) *int32 { return &v.Uses }))), "", many},
		{"key by the server only", "ALTER TABLE vouchers DROP uses, ADD uses integer GENERATED ALWAYS AS IDENTITY", voucherTable, "428C9", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := newCopyCounter(t, archiveSQL+";"+c.sql)
			vs := make([]voucher, many)
			for i := range vs {
				vs[i] = voucher{Code: "c" + strconv.Itoa(i), Uses: int32(i)}
			}
			err := repo.New(db, c.table).CreateMany(t.Context(), vs)
			var pg *pgconn.PgError
			if errors.As(err, &pg) != (c.code != "") || pg != nil && pg.Code != c.code {
				t.Errorf("error %v, want SQLSTATE %q", err, c.code)
			}
			check.Same(t, "copied", db.copies == 1, c.name == "plain")
			check.Same(t, "rows", db.count(t, "vouchers"), c.rows)
		})
	}
}

// TestUpsertsAreNotCopied upserts as many rows as a COPY would take.
func TestUpsertsAreNotCopied(t *testing.T) {
	db := newCopyCounter(t, archiveSQL)
	vs := make([]voucher, many)
	for i := range vs {
		vs[i].Code = strconv.Itoa(i)
	}
	for _, want := range []repo.Outcome{repo.Inserted, repo.Updated} {
		outcomes := check.Value(repo.New(db, voucherTable).UpsertMany(t.Context(), vs, query.OnConflict(voucherCode)))(t)
		check.Same(t, "outcome", outcomes[many-1], want)
	}
	check.Same(t, "copies", db.copies, 0)
}

// TestCopyAfterMigration alters columns between two calls on one connection,
// which remembers what they were.
func TestCopyAfterMigration(t *testing.T) {
	db := newCopyCounter(t, "CREATE TABLE readings"+readingSQL, testdb.MaxConns(1))
	readings := repo.New(db, readingTable("readings"))
	rs := newReadings(many)
	for i, alter := range []string{"place TYPE text", "next TYPE bigint", "next TYPE integer", "doc TYPE json", "doc TYPE jsonb", "tags TYPE varchar[]", "ratio TYPE float8"} {
		_, err := db.Exec(t.Context(), "ALTER TABLE readings ALTER "+alter)
		check.NoError(t, err)
		for j := range rs {
			rs[j].No += many
		}
		if err := readings.CreateMany(t.Context(), rs); err != nil {
			t.Fatalf("%s: %v", alter, err)
		}
		check.Same(t, "rows after "+alter, db.count(t, "readings"), (i+1)*many)
	}
	check.Same(t, "tried", db.copies, 7)
	check.Same(t, "rows that differ from call to call",
		db.count(t, "(SELECT FROM readings GROUP BY ratio, doc, next, tags HAVING count(*) <> 7) AS d"), 0)

	tx := check.Value(db.Begin(t.Context()))(t)
	_, err := tx.Exec(t.Context(), "TRUNCATE readings; ALTER TABLE readings ALTER next TYPE bigint", pgx.QueryExecModeSimpleProtocol)
	check.NoError(t, err)
	err = readings.With(tx).CreateMany(t.Context(), rs)
	var pg *pgconn.PgError
	if os.Getenv("SMRT_TEST_EXEC_MODE") == "exec" { // pgx remembers no types
		check.NoError(t, err)
	} else if !errors.As(err, &pg) || pg.Code != "08P01" {
		t.Errorf("in a transaction: got %v, want what went wrong first", err)
	}
	check.NoError(t, tx.Rollback(t.Context()))
}
