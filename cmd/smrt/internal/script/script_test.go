package script_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/smrt-go/smrt/cmd/smrt/internal/script"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// places are the statements of a text with their lines.
func places(text string) (all []string) {
	for _, s := range script.New(text).Statements {
		all = append(all, fmt.Sprintf("%d-%d %s", s.First, s.Last, s.Text))
	}
	return all
}

func TestStatements(t *testing.T) {
	for _, c := range []struct {
		what, text string
		want       []string
	}{
		{"below Up and above Down", "SELECT 0;\n-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n-- +goose Up", []string{"3-3 SELECT 1;"}},
		{"in any case", "--+goose UP\nSELECT 1;\n--  +goose DOWN  \nSELECT 2;", []string{"2-2 SELECT 1;"}},
		{"without Up", "SELECT 1;", nil},
		{"comments", "-- +goose Up\n-- a;\n\nSELECT 1, -- b;\n\n-- c\n2; -- d\n-- e", []string{"4-7 SELECT 1, -- b;\n\n-- c\n2; -- d"}},
		{"the text in a comment", "-- +goose Up\n-- SELECT 1;\nSELECT 1;", []string{"3-3 SELECT 1;"}},
		{"twice", "-- +goose Up\nSELECT 1;\nSELECT 1;", []string{"2-2 SELECT 1;", "3-3 SELECT 1;"}},
		{"several in a line", "-- +goose Up\nSELECT 1; SELECT 2;", []string{"2-2 SELECT 1; SELECT 2;"}},
		{"nothing", "-- +goose Up\n;\n-- +goose StatementBegin\n/* a */\n-- +goose StatementEnd\n \t\nSELECT 1;", []string{"7-7 SELECT 1;"}},
		{"block", "-- +goose Up\n-- +goose StatementBegin\n\n -- a\nDO $$\n\n-- b;\nBEGIN END;\n$$\n-- +goose StatementEnd\nSELECT 1;", []string{"5-9 DO $$\n\n-- b;\nBEGIN END;\n$$", "11-11 SELECT 1;"}},
		{"an annotation within", "-- +goose Up\nSELECT\n-- +goose NO TRANSACTION\n1;", []string{"2-4 SELECT\n1;"}},
		{"ends of lines", "-- +goose Up\r\nSELECT\r\n1;\r\n", []string{"2-3 SELECT\n1;"}},
	} {
		check.Equal(t, c.what, places(c.text), c.want)
	}
}

func TestCursor(t *testing.T) {
	s := script.New("-- +goose Up\nSELECT 1;\n-- +goose ENVSUB ON\nSELECT ${A},\nb, $c;\n${D}\n LIMIT $e1;\n-- +goose ENVSUB OFF\nSELECT $$a$$;")
	cursor := s.Cursor()
	for _, c := range []struct {
		sent string
		line int
	}{
		{"begin", 0},
		{"SELECT $$a$$;", 0}, // which comes later
		{"SELECT 1;", 2},
		{"INSERT INTO goose_db_version", 0},
		{"SELECT 9,\nb, 8", 0},
		{"SELECT 9,\nb, 8;", 4},
		{"begin", 0},
		{"SELECT 1\n LIMIT 1;", 6},
		{"SELECT $$b$$;", 0},
		{"SELECT $$a$$;", 9},
		{"", 0},
	} {
		found, ok := cursor.Next(c.sent)
		if ok != (c.line > 0) || found.First != c.line {
			t.Errorf("%q is sent in line %d, want %d", c.sent, found.First, c.line)
		}
	}
	block := script.New("-- +goose Up\nSELECT 'ä'\n-- +goose NO TRANSACTION\n, 2,\n3;").Statements[0]
	for character, want := range map[int]int{0: 2, 1: 2, 10: 2, 11: 2, 12: 4, 15: 4, 16: 4, 17: 5, 99: 5} {
		check.Same(t, fmt.Sprint("line of character ", character), block.Line(block.Text, character), want)
	}
}

// tracer keeps what is sent without arguments.
type tracer struct{ sent []string }

func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if len(data.Args) == 0 {
		t.sent = append(t.sent, data.SQL)
	}
	return ctx
}

func (*tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestAsGooseReads runs made-up files with goose, and finds what it sends in each: all
// statements, in their order, each in the line that begins with it.
func TestAsGooseReads(t *testing.T) {
	t.Setenv("SMRT_TEST_VALUE", "1,\n2")
	random := check.Random(t)
	config := testdb.Pool(t, testdb.Empty).Config().ConnConfig
	files := 30
	if check.Long() {
		files = 1000
	}
	for range files {
		text := madeUp(random)
		seen := new(tracer)
		config := config.Copy()
		config.Tracer = seen
		check.NoError(t, migrateWith(t.Context(), config, fstest.MapFS{"1_a.sql": {Data: []byte(text)}}))

		lines, s := strings.Split(text, "\n"), script.New(text)
		cursor, n := s.Cursor(), 0
		for _, sent := range seen.sent {
			place, ok := cursor.Next(sent)
			if !ok {
				if strings.Contains(sent, "'statement ") {
					t.Fatalf("goose sends %q, which is not the next statement of\n%s", sent, text)
				}
				continue
			}
			n++
			if first, _, _ := strings.Cut(place.Text, "\n"); strings.TrimSpace(lines[place.First-1]) != strings.TrimSpace(first) {
				t.Fatalf("%q is not in line %d of\n%s", sent, place.First, text)
			}
		}
		if n != len(s.Statements) {
			t.Fatalf("goose sends %d of %d statements of\n%s", n, len(s.Statements), text)
		}
	}
}

// migrateWith runs files, on a connection whose table of versions is removed afterwards.
func migrateWith(ctx context.Context, config *pgx.ConnConfig, files fstest.MapFS) (err error) {
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		return err
	}
	if _, err = provider.Up(ctx); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "DROP TABLE goose_db_version")
	return err
}

// madeUp returns a file that goose can read.
func madeUp(random *rand.Rand) string {
	var b strings.Builder
	one := func(of ...string) { b.WriteString(of[random.IntN(len(of))]) }
	one("", "-- smrt:phase expand\n", "\n", "-- +goose no transaction\n")
	one("-- +goose Up\n", "--+goose UP \n")
	for i := range 1 + random.IntN(6) {
		one("", "\n", " \n", "-- a comment;\n", "  -- SELECT 'statement 0';\n", ";\n")
		block := random.IntN(3) == 0
		if block {
			b.WriteString("-- +goose StatementBegin\n")
			one("", "\n", "-- DO;\n")
		}
		envsub := random.IntN(4) == 0
		if envsub {
			b.WriteString("-- +goose ENVSUB ON\n")
		}
		one("", "  ", "/* 'a */ ")
		fmt.Fprintf(&b, "SELECT 'statement %d'", i)
		one("", "\n", "\n\n-- within;\n", " -- within\n")
		if envsub {
			one(", ${SMRT_TEST_VALUE}", "\n-- +goose ENVSUB OFF\n, 1\n-- +goose ENVSUB ON\n, $SMRT_TEST_VALUE")
		} else {
			one("", ", 'a;b'", "\n, $a$\n-- a;b\n$a$")
		}
		if block {
			one("", ";", "; SELECT 1;", ";\nSELECT 2;\n\n")
		} else {
			one(";", "; SELECT 1;", " ; -- behind", "\n;")
		}
		b.WriteString("\n")
		if envsub {
			b.WriteString("-- +goose ENVSUB OFF\n")
		}
		if block {
			b.WriteString("-- +goose StatementEnd\n")
		}
	}
	one("", "-- +goose Down\nSELECT 'statement 0';\n")
	text := b.String()
	if random.IntN(4) == 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}
