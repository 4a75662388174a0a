package slot_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/slot"
	"github.com/smrt-go/smrt/internal/testdb"
)

// word stands before each marker: where it is code, the server looks for a column.
const word = "smrt_no_column"

// wrappers put a text where it is no code, or leave it be.
var wrappers = []func(text string) string{
	func(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" },
	func(text string) string {
		return `E'\'` + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
	},
	func(text string) string { return "$q$" + strings.ReplaceAll(text, "$q$", "$r$") + "$q$" },
	func(text string) string { return `1 AS "` + strings.ReplaceAll(text, `"`, `""`) + `"` },
	func(text string) string { return "1 /* " + text + " */" },
	func(text string) string { return "1 -- " + strings.ReplaceAll(text, "\n", " ") + "\n" },
	func(text string) string { return "U&'" + strings.NewReplacer("'", "''", `\`, `\\`).Replace(text) + "'" },
}

// TestParse puts markers into literals, names and comments, and asks the server
// whether what stands before one is code.
func TestParse(t *testing.T) {
	rnd, pool := check.Random(t), testdb.Pool(t, testdb.Empty)
	n := 200
	if check.Long() {
		n = 5000
	}
	code := 0
	conn := check.Value(pool.Acquire(t.Context()))(t)
	defer conn.Release()
	for range n {
		sql, hidden := randomText(rnd)
		_, err := conn.Conn().Prepare(t.Context(), "", strings.ReplaceAll(sql, "true", word))
		var refused *pgconn.PgError
		isCode := errors.As(err, &refused) && refused.Code == "42703"
		if err != nil && !isCode {
			t.Fatalf("%v\n%s", err, sql)
		}
		if isCode == hidden {
			t.Fatalf("hidden %t, and for the server %t:\n%s", hidden, !isCode, sql)
		}
		text := slot.Parse(sql)
		if text.Err != nil || (len(text.Places) > 0) != isCode {
			t.Fatalf("code %t, places %v, %v:\n%s", isCode, text.Places, text.Err, sql)
		}
		if isCode {
			code++
			place := text.Places[0]
			check.Same(t, "the place", sql[place.From:place.To], "true /* smrt:where t t */")
		}
	}
	if code == 0 || code == n {
		t.Errorf("%d of %d texts have a marker that is code", code, n)
	}
}

// randomText returns a statement with a marker, and whether that is hidden.
func randomText(rnd *rand.Rand) (sql string, hidden bool) {
	text := "true /* smrt:where t t */"
	for range rnd.IntN(3) {
		text, hidden = wrappers[rnd.IntN(len(wrappers))](text), true
	}
	columns := []string{text}
	for range rnd.IntN(4) {
		columns = append(columns, wrappers[rnd.IntN(len(wrappers))]("; ' \" $q$ $1 -- */ /*"[rnd.IntN(8):rnd.IntN(8)+8]))
	}
	for i := range columns { // a comment must be closed
		if opened := strings.Count(columns[i], "/*") - strings.Count(columns[i], "*/"); opened != 0 && strings.HasPrefix(columns[i], "1 /*") {
			columns[i] = "1"
		}
	}
	rnd.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
	return "-- name: X :many\nSELECT " + strings.Join(columns, ", ") + "\n", hidden
}

// TestPlaces reads what a text says of its slots.
func TestPlaces(t *testing.T) {
	text := slot.Parse("-- name: Report :many\nSELECT 1 FROM a.\"T 1\" AS x WHERE $2 = TRUE/* smrt:where A.\"T 1\" X */\n" +
		"ORDER BY /* smrt:order \"T 1\" */ 1 LIMIT 7 /* smrt:limit */ FOR UPDATE;\n")
	check.NoError(t, text.Err)
	check.Same(t, "name", text.Name, "Report")
	check.Equal(t, "of the text", []any{text.Params, text.Write, text.Locks, strings.HasPrefix(text.SQL[text.Start:text.End], "SELECT 1"), strings.HasSuffix(text.SQL[:text.End], "UPDATE")},
		[]any{2, false, true, true, true})
	var got []string
	for _, p := range text.Places {
		got = append(got, fmt.Sprintf("%d %s %s %d %q", p.Kind, p.Table, p.Alias, p.Most, text.SQL[p.From:p.To]))
	}
	check.Equal(t, "places", got, []string{
		fmt.Sprintf(`%d "a"."T 1" "x" 0 %q`, plan.WherePlace, `TRUE/* smrt:where A."T 1" X */`),
		fmt.Sprintf(`%d "T 1" "T 1" 0 %q`, plan.OrderPlace, `/* smrt:order "T 1" */`),
		fmt.Sprintf(`%d   7 %q`, plan.LimitPlace, `7 /* smrt:limit */`),
	})
	for sql, write := range map[string]bool{
		"UPDATE t SET a = 1": true, "with x as (select 1) insert into t select 1": true, "WITH x AS (DELETE FROM t RETURNING a) SELECT 1": true,
		"MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE": true, "SELECT 1 FROM t FOR UPDATE": false, "SELECT 'delete'": false,
		"SELECT \"update\" FROM (SELECT 1) x": false, "SELECT f() FOR NO KEY UPDATE": false,
	} {
		check.Same(t, sql, slot.Parse(sql).Write, write)
	}
}
