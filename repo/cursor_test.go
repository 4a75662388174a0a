package repo_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// opaque is a value that a program reads and does not look at. What it prints is
// the same for all.
type opaque struct{}

func (*opaque) Scan(any) error              { return nil }
func (opaque) MarshalJSON() ([]byte, error) { return []byte(`"***"`), nil }

type sample struct {
	ID int64
	V  opaque
}

var (
	sampleTable = query.NewTable("samples", func(s *sample) *int64 { return &s.ID })
	sampleV     = query.Col(func(s *sample) *opaque { return &s.V })
)

// samples are values of the types that rows may be ordered by, with those at the
// edges and those that texts, JSON or Go's types hold in another way.
var samples = map[string]string{
	"bigint":             "{-9223372036854775808,9223372036854775807,9007199254740993,9007199254740992,0}",
	"integer":            "{-2147483648,2147483647,0,1}",
	"smallint":           "{-32768,32767,0}",
	"real":               "{NaN,Infinity,-Infinity,0.1,0.3,1e-30,3.4028235e38,-0}",
	"double precision":   "{NaN,Infinity,-Infinity,0.1,0.30000000000000004,0.3,5e-324,1.7976931348623157e308,-0}",
	"numeric":            "{NaN,Infinity,-Infinity,1e-40,0.1000000000000000000001,0.1000000000000000000002,123456789012345678901234567890.5,1.10,1.1}",
	"text":               `{"","a","A","é","\"q\"","x\\y","''","a b","null","日本"}`,
	"varchar(5)":         "{a,b,abcde}",
	"char(4)":            "{a,ab,b,zz}",
	"name":               "{a,b,c}",
	"citext":             "{a,B,c,D}",
	"mood":               "{sad,ok,happy}",
	"boolean":            "{t,f,t}",
	"uuid":               "{00000000-0000-0000-0000-000000000001,ffffffff-ffff-ffff-ffff-ffffffffffff}",
	"bytea":              `{"\\x","\\x00","\\x00ff","\\xff5c27"}`,
	"date":               "{-infinity,infinity,0044-03-15 BC,0001-01-01,10000-01-01,5874897-12-31,2026-05-04}",
	"timestamp":          "{-infinity,infinity,4713-01-01 00:00:00 BC,0001-01-01 00:00:00,10000-01-01 00:00:00,294276-12-31 23:59:59.999999,2026-05-04 03:02:01.000001,2026-05-04 03:02:01.000002}",
	"timestamptz":        "{-infinity,infinity,0044-03-15 12:00:00+00 BC,1850-01-01 00:00:00+00,1850-01-01 00:00:01+00,1883-11-18 12:00:00.5+00,10000-01-01 00:00:00+00,2026-05-04 03:02:01.000001+00,2026-05-04 03:02:01.000002+00}",
	"time":               "{00:00:00,24:00:00,03:02:01.000001,03:02:01.000002}",
	"timetz":             "{00:00:00+00,03:02:01.000001+05:30,03:02:01.000002-08}",
	"interval":           "{-1 year -2 mons +3 days -04:05:06.789,1 mon,30 days,1 day,-1 day,00:00:00.000001,-00:00:00.000001,178000000 years,-1 mons +1 days}",
	"inet":               "{10.0.0.1,10.0.0.0/8,::1,10.0.0.2/24}",
	"macaddr":            "{08:00:2b:01:02:03,08:00:2b:01:02:04}",
	"bit(3)":             "{101,001,111}",
	"varbit":             `{"",1,101,0}`,
	"oid":                "{1,4294967295,0}",
	"jsonb":              `{"{\"a\": 1}","[1, 2]","\"x\"","null","1.10"}`,
	"int4range":          `{"[1,5)","(,3]","empty","[2,)","(,)"}`,
	"tstzrange":          `{"[0044-03-15 12:00:00+00 BC,2026-05-04 03:02:01.000001+00)","[2026-05-04 03:02:01.000001+00,infinity)"}`,
	"integer[]":          `{"{1,2}","{}","{1,NULL}","{2}"}`,
	"text[]":             `{"{a,b}","{}","{\"a,b\"}","{\"\\\"\"}"}`,
	"double precision[]": `{"{0.1}","{0.30000000000000004}","{0.3}","{NaN}"}`,
	"positive":           "{1,2,3}",
}

// newSamples makes a table with a column of a type, which has its values twice,
// and NULL.
func newSamples(t *testing.T, typ, values string) *pgxpool.Pool {
	t.Helper()
	p := testdb.Pool(t, testdb.Empty)
	element := typ
	if base, array := strings.CutSuffix(typ, "[]"); array {
		element = base + "[]"
	}
	_, err := p.Exec(t.Context(), `CREATE EXTENSION IF NOT EXISTS citext; CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy'); CREATE DOMAIN positive AS numeric CHECK (VALUE > 0);
		CREATE TABLE samples (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v `+typ+`)`, pgx.QueryExecModeSimpleProtocol)
	check.NoError(t, err)
	_, err = p.Exec(t.Context(), "INSERT INTO samples (v) SELECT v::"+element+" FROM (SELECT unnest($1::text[]) UNION ALL SELECT unnest($1::text[]) UNION ALL VALUES (NULL), (NULL)) AS u(v)", values)
	check.NoError(t, err)
	return p
}

// session opens a pool on the database of p with settings and a mode of its own.
func session(t *testing.T, p *pgxpool.Pool, mode pgx.QueryExecMode, settings map[string]string) *pgxpool.Pool {
	t.Helper()
	cfg := p.Config()
	cfg.MaxConns = 1
	cfg.ConnConfig.DefaultQueryExecMode = mode
	for name, value := range settings {
		cfg.ConnConfig.RuntimeParams[name] = value
	}
	opened := check.Value(pgxpool.NewWithConfig(t.Context(), cfg))(t)
	t.Cleanup(opened.Close)
	return opened
}

// TestPagesByEveryType walks pages of one to three rows forwards and backwards
// through the values of many types. Each page is read in another session than
// the one before, with other settings or in another mode of pgx.
func TestPagesByEveryType(t *testing.T) {
	for typ, values := range samples {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			p := newSamples(t, typ, values)
			sessions := []*repo.Repository[sample, int64]{repo.New(p, sampleTable)}
			for mode, settings := range map[pgx.QueryExecMode]map[string]string{
				pgx.QueryExecModeCacheDescribe: {"DateStyle": "SQL, DMY", "IntervalStyle": "sql_standard", "TimeZone": "America/St_Johns", "extra_float_digits": "0", "bytea_output": "escape"},
				pgx.QueryExecModeDescribeExec:  {"DateStyle": "German", "IntervalStyle": "iso_8601", "TimeZone": "Europe/Amsterdam"},
				pgx.QueryExecModeExec:          {"TimeZone": "Africa/Monrovia"},
			} {
				sessions = append(sessions, repo.New(session(t, p, mode, settings), sampleTable))
			}
			for _, order := range []query.Order[sample]{sampleV.Asc(), sampleV.Desc(), sampleV.Asc().NullsFirst(), sampleV.Desc().NullsLast()} {
				q := query.All[sample]().OrderBy(order)
				want := keysOf(check.Value(sessions[0].Find(t.Context(), q.OrderBy(order, lastOrder(order))))(t))
				for size := 1; size <= 3; size++ {
					walkSessions(t, sessions, q, size, want)
				}
			}
		})
	}
}

// lastOrder completes an order by the key as pages do.
func lastOrder(o query.Order[sample]) query.Order[sample] {
	id := query.Col(func(s *sample) *int64 { return &s.ID })
	if o.Plan().Desc {
		return id.Desc()
	}
	return id.Asc()
}

func keysOf(rows []sample) (keys []int64) {
	for _, r := range rows {
		keys = append(keys, r.ID)
	}
	return keys
}

func walkSessions(t *testing.T, sessions []*repo.Repository[sample, int64], q query.Query[sample], size int, want []int64) {
	t.Helper()
	var forwards, backwards []int64
	n := 0
	read := func(p query.Page) *repo.Page[sample] {
		n++
		p.Size = size
		page, err := sessions[n%len(sessions)].Page(t.Context(), q, p)
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	page := read(query.Page{})
	for forwards = keysOf(page.Items); page.Next != "" && len(forwards) <= len(want); {
		page = read(query.Page{After: page.Next})
		forwards = append(forwards, keysOf(page.Items)...)
	}
	for backwards = keysOf(page.Items); page.Prev != "" && len(backwards) <= len(want); {
		page = read(query.Page{Before: page.Prev})
		backwards = append(keysOf(page.Items), backwards...)
	}
	if !slices.Equal(forwards, want) || !slices.Equal(backwards, want) {
		t.Errorf("pages of %d\nforwards  %v\nbackwards %v\nwant      %v", size, forwards, backwards, want)
	}
}

// printedDay is a time whose JSON is made for people, and shortNumber a number
// that holds less than its column.
type (
	printedDay  struct{ time.Time }
	shortNumber float64
)

func (d printedDay) MarshalJSON() ([]byte, error) { return json.Marshal(d.Format(time.DateOnly)) }
func (d *printedDay) Scan(v any) error {
	d.Time, _ = v.(time.Time)
	return nil
}

// TestCursorsAreMadeOfColumns orders by fields that hold less than their columns
// or print something else.
func TestCursorsAreMadeOfColumns(t *testing.T) {
	type row struct {
		ID int64
		At printedDay
		N  shortNumber
	}
	a := newArchive(t)
	_, err := a.pool.Exec(t.Context(), `CREATE TABLE days (id bigint PRIMARY KEY, at timestamptz NOT NULL, n numeric NOT NULL);
		INSERT INTO days SELECT i, timestamptz '2026-05-04 00:00:00Z' + i * interval '1 us', 0.1 + i * 1e-25 FROM generate_series(1, 20) i`, pgx.QueryExecModeSimpleProtocol)
	check.NoError(t, err)
	days := repo.New(a.pool, query.NewTable("days", func(r *row) *int64 { return &r.ID }))
	for what, order := range map[string]query.Order[row]{
		"at": query.Col(func(r *row) *printedDay { return &r.At }).Asc(),
		"n":  query.Col(func(r *row) *shortNumber { return &r.N }).Desc(),
	} {
		seen := map[int64]int{}
		for after := ""; len(seen) < 100; {
			page := check.Value(days.Page(t.Context(), query.All[row]().OrderBy(order), query.Page{Size: 3, After: after}))(t)
			for _, r := range page.Items {
				seen[r.ID]++
			}
			if after = page.Next; after == "" {
				break
			}
		}
		for id := int64(1); id <= 20; id++ {
			check.Same(t, what, seen[id], 1)
		}
	}
}

// TestCursorsAreBounded proves that a cursor that is too long is refused before
// it is looked at, and that one with what is no value of the column is no error
// of its own kind.
func TestCursorsAreBounded(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	a.add(t, "a", "b", strings.Repeat("long", 10_000))
	q := query.All[document]().OrderBy(docSlug.Asc())
	a.sent.Reset()
	huge := strings.Repeat("9", 50<<20)
	began := time.Now()
	_, err := a.documents.Page(ctx, q, query.Page{Size: 1, After: huge})
	check.Error(t, "a huge cursor", err, smrt.ErrBadCursor)
	if took := time.Since(began); took > testdb.Patience(50*time.Millisecond) {
		t.Errorf("refusing a huge cursor took %v", took)
	}
	check.Same(t, "statements", a.sent.Len(), 0)
	_, err = a.documents.Page(ctx, q, query.Page{Size: 3})
	check.Error(t, "a long value behind which there is no page", err, nil)
	_, err = a.documents.Page(ctx, query.All[document]().OrderBy(docSlug.Desc()), query.Page{Size: 1})
	check.Error(t, "a value that is too long for a cursor", err, smrt.ErrBadQuery)

	byRank := query.All[document]().OrderBy(docRank.Asc())
	raw := check.Value(base64.RawURLEncoding.DecodeString(check.Value(a.documents.Page(ctx, byRank, query.Page{Size: 1}))(t).Next))(t)
	i := strings.Index(string(raw), "\x020\x02")
	forged := append(append(append([]byte{}, raw[:i]...), "\x02x\x021"...), checksum(append(append([]byte{}, raw[:i]...), "\x02x\x021"...))...)
	_, err = a.documents.Page(ctx, byRank, query.Page{Size: 1, After: base64.RawURLEncoding.EncodeToString(forged)})
	var bad *smrt.CursorError
	if !errors.As(err, &bad) || bad.Reason != "malformed" {
		t.Errorf("a forged value: %v", err)
	}
}

// TestCursorSecretsAreRotated proves that cursors of an older secret are
// accepted as long as it is in the list, and that new ones are made with the
// first.
func TestCursorSecretsAreRotated(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	a.add(t, "a", "b", "c")
	with := func(secrets ...string) *repo.Repository[document, int64] {
		var o repo.Options
		for _, s := range secrets {
			o.CursorSecrets = append(o.CursorSecrets, []byte(s))
		}
		return repo.New(a.pool, documentTable, o)
	}
	q := query.All[document]().OrderBy(docSlug.Asc())
	cursor := func(r *repo.Repository[document, int64]) string {
		return check.Value(r.Page(ctx, q, query.Page{Size: 1}))(t).Next
	}
	accepts := func(r *repo.Repository[document, int64], cursor string, want error) {
		t.Helper()
		_, err := r.Page(ctx, q, query.Page{Size: 1, After: cursor})
		check.Error(t, "a cursor", err, want)
	}
	before, during, after := with("old"), with("new", "old"), with("new")
	accepts(during, cursor(before), nil)
	accepts(after, cursor(during), nil)
	accepts(before, cursor(during), smrt.ErrBadCursor)
	accepts(after, cursor(before), smrt.ErrBadCursor)
	accepts(after, cursor(a.documents), smrt.ErrBadCursor)
	defer func() {
		if e, ok := recover().(*smrt.OptionsError); !ok || e.Option != "CursorSecrets" {
			t.Errorf("an empty secret: %v", e)
		}
	}()
	with("new", "")
}

// checksum is the code of a cursor that is made without a secret.
func checksum(body []byte) []byte {
	h := hmac.New(sha256.New, nil)
	h.Write(body)
	return h.Sum(nil)[:16]
}

// argsOf notes the statements of a pool with their arguments.
type argsOf struct{ last pgx.TraceQueryStartData }

func (a *argsOf) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	a.last = d
	return ctx
}
func (*argsOf) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// explained is a node of EXPLAIN's.
type explained struct {
	NodeType string  `json:"Node Type"`
	Rows     float64 `json:"Actual Rows"`
	Filtered float64 `json:"Rows Removed by Filter"`
	Plans    []explained
}

// scanned counts the rows that scans returned or removed, and the other nodes
// that would read more than they are asked for.
func (p explained) scanned() (rows float64, others []string) {
	if strings.Contains(p.NodeType, "Scan") && p.NodeType != "Bitmap Index Scan" { // which is below a scan
		rows = p.Rows + p.Filtered
	}
	if p.NodeType == "Seq Scan" {
		others = append(others, p.NodeType)
	}
	for _, kid := range p.Plans {
		n, o := kid.scanned()
		rows, others = rows+n, append(others, o...)
	}
	return rows, others
}

// TestPagesOverNullsReadTheIndex proves that a page over a column that can be
// NULL reads the rows of the page from the index: besides the one that says
// whether another page follows, at most one for each further range.
func TestPagesOverNullsReadTheIndex(t *testing.T) {
	type row struct {
		ID     int64
		Weight *int32
		Name   string
	}
	args := &argsOf{}
	p := testdb.Pool(t, testdb.Empty, testdb.Configure(func(c *pgxpool.Config) { c.ConnConfig.Tracer = args }))
	_, err := p.Exec(t.Context(), `CREATE TABLE crates (id bigint PRIMARY KEY, weight int, name text NOT NULL);
		INSERT INTO crates SELECT i, CASE WHEN i % 10 < 8 THEN i % 500 END, 'n' || i % 7 FROM generate_series(1, 20000) i`, pgx.QueryExecModeSimpleProtocol)
	check.NoError(t, err)
	crates := repo.New(p, query.NewTable("crates", func(r *row) *int64 { return &r.ID }))
	weight := query.NullCol(func(r *row) **int32 { return &r.Weight })
	name := query.TextCol(func(r *row) *string { return &r.Name })
	for what, c := range map[string]struct {
		index string
		order []query.Order[row]
	}{
		"ascending":             {"weight, id", []query.Order[row]{weight.Asc()}},
		"descending":            {"weight, id", []query.Order[row]{weight.Desc()}},
		"ascending, NULL first": {"weight NULLS FIRST, id", []query.Order[row]{weight.Asc().NullsFirst()}},
		"descending, NULL last": {"weight NULLS FIRST, id", []query.Order[row]{weight.Desc().NullsLast()}},
		"mixed directions":      {"weight, name DESC, id DESC", []query.Order[row]{weight.Asc(), name.Desc()}},
	} {
		_, err := p.Exec(t.Context(), "DROP INDEX IF EXISTS order_of_crates; CREATE INDEX order_of_crates ON crates ("+c.index+"); ANALYZE crates", pgx.QueryExecModeSimpleProtocol)
		check.NoError(t, err)
		q := query.All[row]().OrderBy(c.order...)
		page := check.Value(crates.Page(t.Context(), q, query.Page{Size: 2000}))(t)
		for page.Next != "" { // through the values into the NULLs, or out of them
			for _, at := range []query.Page{{Size: 20, After: page.Next}, {Size: 20, Before: page.Next}} {
				check.Value(crates.Page(t.Context(), q, at))(t)
				args.explain(t, p, what, 20)
			}
			page = check.Value(crates.Page(t.Context(), q, query.Page{Size: 2000, After: page.Next}))(t)
		}
	}
}

// explain runs the last page again, and counts the rows that were read for it.
func (a *argsOf) explain(t *testing.T, p *pgxpool.Pool, what string, size int) {
	t.Helper()
	sent := a.last
	var text string
	check.NoError(t, p.QueryRow(t.Context(), "EXPLAIN (ANALYZE, FORMAT JSON) "+sent.SQL, sent.Args...).Scan(&text))
	var plans []struct{ Plan explained }
	check.NoError(t, json.Unmarshal([]byte(text), &plans))
	ranges := strings.Count(sent.SQL, "UNION ALL")
	if rows, others := plans[0].Plan.scanned(); rows > float64(size+1+ranges) || len(others) > 0 {
		t.Fatalf("%s: %v rows were read, by %v:\n%s\n%s", what, rows, others, sent.SQL, text)
	}
}

// TestOrderIsTotal proves that numbered pages show each row once though their
// order has ties, which the server may break in another way on each page.
func TestOrderIsTotal(t *testing.T) {
	products := manyProducts(t, 300)
	for what, order := range map[string][]query.Order[shop.Product]{
		"ties": {shop.Price.Asc()}, "ties, descending": {shop.Price.Desc()}, "NULLs": {shop.Weight.Asc()}, "none": {},
	} {
		seen := map[int64]int{}
		q := query.All[shop.Product]().OrderBy(order...)
		for number := range 60 {
			page := check.Value(products.PageNumber(t.Context(), q, number+1, 5))(t)
			for _, p := range page.Items {
				seen[p.ID]++
			}
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s: product %d is on %d pages", what, id, n)
			}
		}
		check.Same(t, fmt.Sprint(what, ": products"), len(seen), 300)
	}
}

// TestLimitsOfOneRow proves that the limit of a query holds where one row is
// asked for, too.
func TestLimitsOfOneRow(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	a.add(t, "a", "b")
	q := query.All[document]().OrderBy(docSlug.Asc())
	_, err := a.documents.First(ctx, q.Limit(0))
	check.Error(t, "first of none", err, smrt.ErrNotFound)
	check.Same(t, "first of many", check.Value(a.documents.First(ctx, q.Limit(5)))(t).Slug, "a")
	_, err = a.documents.One(ctx, q.Limit(0))
	check.Error(t, "one of none", err, smrt.ErrNotFound)
	check.Same(t, "one of one", check.Value(a.documents.One(ctx, q.Limit(1)))(t).Slug, "a")
	check.Same(t, "one of the rest", check.Value(a.documents.One(ctx, q.Offset(1)))(t).Slug, "b")
	_, err = a.documents.One(ctx, q.Limit(5))
	check.Error(t, "one of two", err, smrt.ErrTooManyRows)
	for what, read := range map[string]func(context.Context, query.Query[document]) error{
		"first": func(ctx context.Context, q query.Query[document]) error {
			_, err := a.documents.First(ctx, q)
			return err
		},
		"one": func(ctx context.Context, q query.Query[document]) error {
			_, err := a.documents.One(ctx, q)
			return err
		},
	} {
		check.Error(t, what, read(ctx, q.Limit(-1)), smrt.ErrBadQuery)
	}
}

// TestMoreOperandsThanAStatementCarries proves that too many operands are
// refused before anything is sent.
func TestMoreOperandsThanAStatementCarries(t *testing.T) {
	a := newArchive(t)
	many := make([]query.Predicate[document], 33_000)
	for i := range many {
		many[i] = query.And(docID.Eq(int64(i)), docRank.Eq(int32(i)))
	}
	a.sent.Reset()
	_, err := a.documents.Find(t.Context(), query.Where(query.Or(many...)))
	check.Error(t, "66,000 operands", err, smrt.ErrBadQuery)
	_, err = a.documents.Find(t.Context(), query.Where(query.Or(many[:32_767]...), query.Raw[document]("rank = $1 OR rank = $1", 1)))
	check.Error(t, "an operand in two places", err, smrt.ErrBadQuery)
	check.Same(t, "statements", a.sent.Len(), 0)
	_, err = a.documents.Find(t.Context(), query.Where(query.Or(many[:1000]...)))
	check.NoError(t, err)
}
