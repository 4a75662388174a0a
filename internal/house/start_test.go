package house_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// startTables is how many tables the program of BenchmarkStart declares, of ten columns each.
const startTables = 100

// pgxProgram asks one question by hand.
const pgxProgram = `package main

import (
	"context"
	"os"

	"github.com/jackc/pgx/v5"
)

type row struct {
	ID                     int64
	A, B, C, D, E, F, G, H string
	OtherID                int64
}

func main() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	check(err)
	rows, err := conn.Query(ctx, "SELECT id, a, b, c, d, e, f, g, h, other_id FROM t0 WHERE a = $1 LIMIT 1", "x")
	check(err)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	check(err)
	if len(found) != 1 {
		panic("no row")
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
`

// smrtProgram asks the same by a repository, of the first of n tables. They are declared as smrt gen does.
func smrtProgram(n int) string {
	var b strings.Builder
	b.WriteString(`package main

import (
	"context"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

func main() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	check(err)
	found, err := repo.New(conn, T0.Table).Find(ctx, query.Where(T0.A.Eq("x")).Limit(1))
	check(err)
	if len(found) != 1 {
		panic("no row")
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
`)
	letters := strings.Split("A B C D E F G H", " ")
	for i := range n {
		row := fmt.Sprintf("row%d", i)
		fmt.Fprintf(&b, "\ntype %s struct {\n\tID int64\n\tA, B, C, D, E, F, G, H string\n\tOtherID int64\n}\n", row)
		fmt.Fprintf(&b, "\nvar table%d = query.NewTable(\"t%d\", func(r *%s) *int64 { return &r.ID }, query.Rules(query.MaxLength(query.TextCol(func(r *%s) *string { return &r.A }), 40)))\n", i, i, row, row)
		fmt.Fprintf(&b, "\nvar T%d = struct {\n\tTable *query.Table[%s, int64]\n\tID, OtherID query.Column[%s, int64]\n\tA, B, C, D, E, F, G, H query.TextColumn[%s, string]\n\tOther preload.ToOne[%s, row%d]\n}{\n", i, row, row, row, row, (i+1)%n)
		fmt.Fprintf(&b, "\tTable: table%d,\n\tOther: preload.BelongsTo(table%d, table%d, func(r *%s) *int64 { return &r.OtherID }),\n", i, i, (i+1)%n, row)
		for _, name := range []string{"ID", "OtherID"} {
			fmt.Fprintf(&b, "\t%s: query.Col(func(r *%s) *int64 { return &r.%s }),\n", name, row, name)
		}
		for _, name := range letters {
			fmt.Fprintf(&b, "\t%s: query.TextCol(func(r *%s) *string { return &r.%s }),\n", name, row, name)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// BenchmarkStart is how long programs take to their first answer, run in turn: one with 100 tables, one with a single
// one, and one that uses pgx alone. The metrics are medians of wall time and of processor time beyond pgx's.
func BenchmarkStart(b *testing.B) {
	dsn := testdb.ExampleDSN(testdb.SQL("start", `CREATE TABLE t0 (id bigint PRIMARY KEY, a text, b text, c text, d text,
		e text, f text, g text, h text, other_id bigint); INSERT INTO t0 VALUES (1, 'x', '', '', '', '', '', '', '', 1)`))
	dir := b.TempDir()
	programs := map[string]string{"pgx": pgxProgram, "1-table": smrtProgram(1), fmt.Sprint(startTables, "-tables"): smrtProgram(startTables)}
	for name, text := range programs {
		file := filepath.Join(dir, name+".go")
		check.NoError(b, os.WriteFile(file, []byte(text), 0o600))
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), file)
		build.Dir = root // of the module whose packages it imports
		if out, err := build.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
	wall, busy := map[string][]time.Duration{}, map[string][]time.Duration{}
	for b.Loop() {
		for name := range programs {
			cmd := exec.Command(filepath.Join(dir, name))
			cmd.Env = append(os.Environ(), "DATABASE_URL="+dsn)
			began := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%s: %v\n%s", name, err, out)
			}
			wall[name] = append(wall[name], time.Since(began))
			busy[name] = append(busy[name], cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		if name == "pgx" {
			b.ReportMetric(check.Median(wall[name])/1e6, "pgx-ms")
			b.ReportMetric(check.Median(busy[name])/1e6, "pgx-cpu-ms")
			continue
		}
		b.ReportMetric((check.Median(wall[name])-check.Median(wall["pgx"]))/1e6, name+"-ms-more")
		b.ReportMetric((check.Median(busy[name])-check.Median(busy["pgx"]))/1e6, name+"-cpu-ms-more")
	}
}
