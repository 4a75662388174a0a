package meta_test

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/meta"
)

type base struct {
	ID      int64
	Created time.Time `db:"created_at,omitempty"`
}

type deep struct{ base }

type label string

type relation struct{ ID int64 }

type entity struct {
	deep
	Name     string
	HTTPCode int32
	Label    *label
	Raw      json.RawMessage
	Bytes    []byte
	UID      [16]byte
	Tags     []string
	Nums     []int32
	Int4     pgtype.Int4
	Parent   *relation `db:"-"`
	Opts     relation  `db:"opts"`
	private  int
	Any      any `db:"any"`
}

func TestOf(t *testing.T) {
	s, err := meta.Of(reflect.TypeFor[entity]())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, c := range s.Columns {
		names = append(names, c.Name)
		if c.Index != i || c.Quoted != `"`+c.Name+`"` {
			t.Errorf("%+v", c)
		}
	}
	want := []string{"id", "created_at", "name", "http_code", "label", "raw", "bytes", "uid", "tags", "nums", "int4", "opts", "any"}
	if !slices.Equal(names, want) {
		t.Errorf("got %v", names)
	}
	for name, w := range map[string]struct {
		kind, encode  meta.Kind
		ptr, nullable bool
	}{
		"id":         {meta.KindInt64, meta.KindInt64, false, false},
		"created_at": {meta.KindTime, meta.KindTime, false, false},
		"label":      {meta.KindString, meta.KindString, true, true},
		"raw":        {meta.KindJSON, meta.KindJSON, false, true},
		"bytes":      {meta.KindBytes, meta.KindBytes, false, true},
		"uid":        {meta.KindUUID, meta.KindUUID, false, false},
		"tags":       {meta.KindStrings, meta.KindStrings, false, true},
		"nums":       {meta.KindOther, meta.KindOther, false, true},
		"int4":       {meta.KindOther, meta.KindOther, false, true},
		"opts":       {meta.KindOther, meta.KindOther, false, false},
	} {
		c := s.ByName(name)
		if c.Kind != w.kind || c.Encode != w.encode || c.Ptr != w.ptr || c.Nullable != w.nullable {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if s.ByName("private") != nil || s.ByName("parent") != nil {
		t.Error("found what is no column")
	}
	again, _ := meta.Of(reflect.TypeFor[entity]())
	if again != s {
		t.Error("described twice")
	}
}

func TestOfRefuses(t *testing.T) {
	for want, typ := range map[string]reflect.Type{
		"is not a struct":  reflect.TypeFor[int](),
		"no exported":      reflect.TypeFor[struct{}](),
		"db:\"name\"":      reflect.TypeFor[struct{ R *relation }](),
		"type []meta_test": reflect.TypeFor[struct{ R []relation }](),
		"type map":         reflect.TypeFor[struct{ R map[string]int }](),
		"two fields": reflect.TypeFor[struct {
			A, B int `db:"a"`
		}](),
		"NUL": reflect.TypeFor[struct {
			A int `db:"a\x00"`
		}](),
	} {
		if _, err := meta.Of(typ); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", typ, err, want)
		}
	}
}

func TestResolve(t *testing.T) {
	at := func(typ reflect.Type, access func(*entity) unsafe.Pointer) string {
		c, err := meta.Resolve(reflect.TypeFor[entity](), typ, func(p unsafe.Pointer) unsafe.Pointer { return access((*entity)(p)) })
		if err != nil {
			return err.Error()
		}
		return c.Name
	}
	integer, big := reflect.TypeFor[int](), reflect.TypeFor[int64]()
	var none *entity
	for want, got := range map[string]string{
		"id":                      at(big, func(e *entity) unsafe.Pointer { return unsafe.Pointer(&e.ID) }),
		"name":                    at(reflect.TypeFor[string](), func(e *entity) unsafe.Pointer { return unsafe.Pointer(&e.Name) }),
		"label":                   at(reflect.TypeFor[*label](), func(e *entity) unsafe.Pointer { return unsafe.Pointer(&e.Label) }),
		"not a column":            at(integer, func(e *entity) unsafe.Pointer { return unsafe.Pointer(&e.private) }),
		"returned nil":            at(integer, func(*entity) unsafe.Pointer { return nil }),
		"a field of its argument": at(big, func(*entity) unsafe.Pointer { return unsafe.Pointer(new(int64)) }),
		"panicked":                at(big, func(*entity) unsafe.Pointer { return unsafe.Pointer(&[]int64{none.ID}[0]) }),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSnakeCase(t *testing.T) {
	for in, want := range map[string]string{
		"ID": "id", "CustomerID": "customer_id", "HTTPStatus": "http_status", "Name": "name", "A": "a", "AB": "ab", "ABc": "a_bc",
		"UserIDs": "user_ids", "IDs": "ids", "URLsSeen": "urls_seen", "IDsOf": "ids_of", "HTTPServer": "http_server", "ASet": "a_set",
		"SHA256": "sha256", "SHA256Sum": "sha256_sum", "MD5Hash": "md5_hash", "Line2": "line2", "OAuthToken": "oauth_token",
		"OAuth2Token": "oauth2_token", "UserOAuth": "user_oauth", "IPv4": "ipv4", "LastIPv6Address": "last_ipv6_address",
		"UserID2": "user_id2", "Größe": "größe", "XÄnderung": "x_änderung", "Snake_Case": "snake_case", "already_snake": "already_snake",
	} {
		if got := meta.SnakeCase(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestIdentifiers(t *testing.T) {
	for in, want := range map[string]string{"a": `"a"`, `a"b`: `"a""b"`, "a b": `"a b"`, "?": `"?"`} {
		if got := meta.Quote(in); got != want || meta.CheckIdent(in) != nil {
			t.Errorf("%s: %s", in, got)
		}
	}
	for _, bad := range []string{"", "a\x00b", strings.Repeat("x", 64), strings.Repeat("ü", 32)} {
		if meta.CheckIdent(bad) == nil {
			t.Errorf("%q passed", bad)
		}
	}
	var table meta.Table
	if err := table.SetName(`a"?.b c`); err != nil || table.Quoted != `"a""?"."b c"` {
		t.Error(table.Quoted, err)
	}
}

func TestArenaStrings(t *testing.T) {
	var a meta.Arena
	if a.String(nil) != "" || a.String([]byte{}) != "" {
		t.Error("empty")
	}
	var got, want []string
	for _, n := range []int{1, 0, 255, 256, 257, 2, meta.MaxChunk / 8, meta.MaxChunk/8 + 1, meta.MaxChunk, meta.MaxChunk + 1, 3} {
		for i := range 20 {
			b := []byte(strings.Repeat(string(rune('a'+i)), n))
			want = append(want, string(b))
			got = append(got, a.String(b))
			for j := range b {
				b[j] = '!' // the source is a buffer that is used again
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Error("strings overlap")
	}
}

func TestArenaOfOneRow(t *testing.T) {
	b := []byte("0123456789")
	if n := testing.AllocsPerRun(100, func() {
		var a meta.Arena
		a.Reserve(30)
		_, _, _ = a.String(b), a.String(b), a.String(b)
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
	var a meta.Arena
	a.Reserve(0)
	a.Reserve(meta.MaxChunk + 1)
	if a.String(b) != "0123456789" {
		t.Error("too much to reserve")
	}
}

type (
	enum   string   // as sqlc writes them: NULL is an error
	loose  string   // NULL is read as the empty text
	blank  string   // the empty text is written as NULL
	wild   int32    // panics
	digest [20]byte // takes NULL, as the uuids of several packages do
)

func (e *enum) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		return errors.New("not a text")
	}
	*e = enum(s)
	return nil
}

func (l *loose) Scan(any) error { return nil }

func (b *blank) Scan(src any) error { return (*enum)(b).Scan(src) }

func (b blank) Value() (driver.Value, error) {
	if b == "" {
		return nil, nil
	}
	return string(b), nil
}

func (w *wild) Scan(src any) error {
	*w = src.(wild)
	return nil
}

func (d *digest) Scan(any) error { return nil }

// TestNullable looks for the types that can represent NULL.
func TestNullable(t *testing.T) {
	for want, types := range map[bool][]reflect.Type{
		true: {
			reflect.TypeFor[*int](), reflect.TypeFor[[]byte](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[sql.NullString](),
			reflect.TypeFor[sql.Null[int]](), reflect.TypeFor[pgtype.Int4](), reflect.TypeFor[pgtype.UUID](), reflect.TypeFor[*enum](),
			reflect.TypeFor[loose](), reflect.TypeFor[blank](), reflect.TypeFor[wild](), reflect.TypeFor[digest](),
		},
		false: {
			reflect.TypeFor[int](), reflect.TypeFor[string](), reflect.TypeFor[[16]byte](), reflect.TypeFor[time.Time](), reflect.TypeFor[enum](),
		},
	} {
		for _, typ := range types {
			if c := meta.NewColumn("c", typ, 0); c.Nullable != want {
				t.Errorf("%s: %t", typ, c.Nullable)
			}
		}
	}
}
