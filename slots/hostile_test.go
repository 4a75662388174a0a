package slots_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/slots"
)

// recorder is a handle that keeps the texts it is given.
type recorder struct {
	smrt.DB
	texts map[string]int
	last  []any
}

var errRecorded = errors.New("recorded")

func (r *recorder) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	r.texts[sql]++
	r.last = args
	return pgconn.CommandTag{}, errRecorded
}

func (r *recorder) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	_, err := r.Exec(context.Background(), sql, args...)
	return nil, err
}

// TestNoByteOfAUser renders slots with hostile values, in tables with hostile names. The
// texts are as many as the shapes, and none has a part of a value.
func TestNoByteOfAUser(t *testing.T) {
	t.Parallel()
	type row struct {
		ID   int64
		Name string
	}
	rnd, n := check.Random(t), 20_000
	if check.Long() {
		n = 1_000_000
	}
	const bad = "'\"?$1\\;-/*\né" // a NUL is refused
	hostile := func(most int) string {
		var b strings.Builder
		for range rnd.IntN(most) {
			b.WriteRune([]rune(bad)[rnd.IntN(len([]rune(bad)))])
		}
		return b.String()
	}
	id, name := query.Col(func(r *row) *int64 { return &r.ID }), query.TextCol(func(r *row) *string { return &r.Name })
	const tables = 20
	db := &recorder{texts: map[string]int{}}
	for i := range tables {
		called := strings.ReplaceAll(hostile(10), "\n", "") + fmt.Sprint("t", i)
		table := query.NewTable(called, func(r *row) *int64 { return &r.ID })
		quoted := table.Plan().Quoted
		sql := "SELECT a.id FROM " + quoted + " AS a WHERE a.id > $1 AND true /* smrt:where " + quoted + " a */ ORDER BY /* smrt:order " + quoted + " a */ a.id LIMIT 100 /* smrt:limit */"
		if strings.Contains(called, "*/") || strings.Contains(called, "/*") {
			continue // which no comment can name
		}
		for range n / tables {
			value := "zq" + hostile(12) + "zq"
			q := []query.Query[row]{
				query.Where(name.Eq(value)),
				query.Where(query.Or(name.HasPrefix(value), name.In("x", value)), id.Gt(rnd.Int64())),
				query.Where(query.Not(name.ContainsFold(value))).OrderBy(name.Desc()),
				query.Where(query.Raw[row]("$1 = $2", name, value)).OrderBy(query.SQL[string]("$1 || $2", name, value).Asc()).Limit(1 + rnd.IntN(100)),
			}[rnd.IntN(4)]
			if _, err := slots.On(db, slots.For(table, q)).Query(t.Context(), sql, value); !errors.Is(err, errRecorded) {
				t.Fatalf("table %q, value %q: %v", called, value, err)
			}
			if db.last[0] != value {
				t.Fatalf("the argument of the statement is %q, not %q", db.last[0], value)
			}
		}
	}
	if len(db.texts) > 4*tables || len(db.texts) < 4 {
		t.Errorf("%d texts of %d shapes", len(db.texts), 4*tables)
	}
	for text := range db.texts {
		if strings.Contains(text, "zq") {
			t.Errorf("a value is in a text: %s", text)
		}
	}
}
