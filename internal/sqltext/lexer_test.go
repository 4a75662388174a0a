package sqltext_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/sqltext"
	"github.com/smrt-go/smrt/internal/testdb"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

// kinds are letters for the kinds of tokens.
const kinds = " wqlnpomcu"

// TestTokens splits texts at spaces that the expectation has and the text has
// not: each part is a letter for its kind and the token.
func TestTokens(t *testing.T) {
	for sql, want := range map[string]string{
		"":                                  "",
		" \t\n\r\f\v":                       "",
		"SELECT a.b":                        "wSELECT|wa|m.|wb",
		"a_1$x é":                           "wa_1$x|wé",
		`"a b""c" "d`:                       `q"a b""c"|u"d`,
		`U&"\0061" u&"x`:                    `qU&"\0061"|uu&"x`,
		`'it''s' 'a`:                        `l'it''s'|u'a`,
		`'\' 'x'`:                           `l'\'|l'x'`,
		`E'\'' e'\\' b'1' X'f' n'a' U&'b'`:  `lE'\''|le'\\'|lb'1'|lX'f'|ln'a'|lU&'b'`,
		`ee'\'`:                             `wee|l'\'`,
		"'a'\n'b' 'c'":                      "l'a'\n'b'|l'c'",
		"'a' -- x\n -- y\n'b'":              "l'a' -- x\n -- y\n'b'",
		"'a' -- x\n /**/'b'":                "l'a'|c-- x|c/**/|l'b'",
		"'a' --":                            "l'a'|c--",
		"E'a'\n'\\'b'":                      "lE'a'\n'\\'b'",
		"$$ ' $$ $a$ $$ $b$ $a$ $1$":        "l$$ ' $$|l$a$ $$ $b$ $a$|p$1|m$",
		"a$$b $_é1$;$_é1$ $a b$ $":          "wa$$b|l$_é1$;$_é1$|m$|wa|wb$|m$",
		"$x$ $y$":                           "u$x$ $y$",
		"-- a\nb":                           "c-- a|wb",
		"-- a\rb":                           "c-- a|wb",
		"/* a /* b */ ; */ c":               "c/* a /* b */ ; */|wc",
		"/* /* */":                          "u/* /* */",
		"/*/":                               "u/*/",
		"1 1.5 .5 1. 1e5 1.5E-3 0x1F 1_000": "n1|n1.5|n.5|n1.|n1e5|n1.5E-3|n0x1F|n1_000",
		"1..2 1e 1e+ 12abc a.5":             "n1|m..|n2|n1|we|n1|we|o+|n12|wabc|wa|n.5",
		"$1 $23+$4":                         "p$1|p$23|o+|p$4",
		"a<-5 2*-1 2--1\n":                  "wa|o<|o-|n5|n2|o*|o-|n1|n2|c--1",
		"a@-b a ?| b a+/*c*/b":              "wa|o@-|wb|wa|o?||wb|wa|o+|c/*c*/|wb",
		`U&"d!0061t" UESCAPE '!'.a U&"b" uescape`: `qU&"d!0061t" UESCAPE '!'|m.|wa|qU&"b"|wuescape`,
		"U&\"a\" /* a */ uescape -- b\n$$!$$ b":   "qU&\"a\" /* a */ uescape -- b\n$$!$$|wb",
		"a::b := c => d .. e <= -+":               "wa|m::|wb|m:=|wc|o=>|wd|m..|we|o<=|o-|o+",
		"(a,b)[1:2]; {\\}":                        "m(|wa|m,|wb|m)|m[|n1|m:|n2|m]|m;|m{|m\\|m}",
	} {
		var got []string
		for l := sqltext.New(sql); ; {
			token := l.Next()
			if token.Kind == sqltext.End {
				break
			}
			check.Same(t, sql+": place of "+token.Text, sql[token.Pos:token.Pos+len(token.Text)], token.Text)
			got = append(got, kinds[token.Kind:token.Kind+1]+token.Text)
		}
		check.Same(t, sql, strings.Join(got, "|"), want)
	}
}

// TestEscapes reads literals as a session with standard_conforming_strings off
// does.
func TestEscapes(t *testing.T) {
	for sql, want := range map[string]string{
		`'a\'; SET a.b = 1; --'`: `'a\'; SET a.b = 1; --'`,
		`'it\'s', b`:             `'it\'s' , b`,
		`n'\'' b'\' x`:           `n'\'' b'\' x`,
		"'a'\n'\\'b'":            "'a'\n'\\'b'",
	} {
		l := sqltext.New(sql)
		l.Escapes = true
		var got []string
		for _, token := range l.Append(nil) {
			got = append(got, token.Text)
		}
		check.Same(t, sql, strings.Join(got, " "), want)
	}
}

// TestNames reads names as the server does.
func TestNames(t *testing.T) {
	for sql, want := range map[string]string{
		"Abc": "abc", "ÄB": "Äb", `"A""b"`: `A"b`, `U&"d\0061t\+000061"`: "data", `u&"\\x"`: `\x`, `U&"d!0061t!!\0061" UESCAPE '!'`: `dat!\0061`, "u&\"d#0061t\"/**/uescape\n$a$#$a$": "dat", `U&"a\00"`: "a", "'a'": "", "1": "", "": "",
	} {
		l := sqltext.New(sql)
		token := l.Next()
		check.Same(t, sql, token.Name(), want)
		check.Same(t, sql+": names", token.Names(want), want != "")
		check.Same(t, sql+": is", token.Is("abc"), sql == "Abc")
	}
	// A letter that folds to an ASCII one elsewhere is another letter here.
	l := sqltext.New("\u017fet")
	token := l.Next()
	check.Same(t, "long s", token.Is("set"), false)
}

// TestCut splits texts into statements.
func TestCut(t *testing.T) {
	for sql, want := range map[string]int{
		"": 0, ";;": 0, "a": 1, "a;": 1, "a;b": 2, "';';b": 2, "a -- ;\n;b": 2, "a;;b;": 2,
		"CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3":                                                2,
		"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3; SELECT 4": 3,
		"BEGIN; SELECT 1; END; SELECT 2": 4,
	} {
		check.Same(t, sql, count(sql), want)
	}
}

// count is how many statements a text has.
func count(sql string) int { return statements(sqltext.New(sql)) }

func statements(l sqltext.Lexer) int {
	n := 0
	for first, rest := sqltext.Cut(l.Append(nil)); len(first)+len(rest) > 0; first, rest = sqltext.Cut(rest) {
		if len(first) > 0 {
			n++
		}
	}
	return n
}

// FuzzTokens asks the server about the lexer: a text that is put together again
// from its tokens, with a comment between any two, must be to it what the text
// was, and whoever is told that a text has several statements must be told so
// by both. Statements are prepared and never executed, in a session with
// standard_conforming_strings and in one without.
func FuzzTokens(f *testing.F) {
	for _, sql := range []string{
		"SELECT 1", "SELECT 1; SELECT 2", "SELECT ';';", "SELECT 1 -- ;\n", "SELECT /* ; /* ; */ */ 1",
		"SELECT 'a'\n'b', 'a' -- c\n'd'", `SELECT E'\'', '\', e'a' -- c` + "\n'\\'b'", "SELECT U&'\\0061', U&\"a\" FROM (VALUES (1)) AS x(a)",
		"SELECT $$ ' $$, $a$ $$ $a$, b'1', X'f', n'a'", "SELECT 2*-1, 2 - -1, 1<-1, @-1, 5 !=-1", "SELECT '{}'::jsonb ?| ARRAY['a']",
		"SELECT $1::int+$2::int", "SELECT $1a", "SELECT 1.5e3, .5, 1., 1e5, (ARRAY[1,2])[1:2]", "SELECT 1a", "SELECT a$1 FROM (VALUES (1)) AS x(a$1)",
		"SELECT make_interval(days=>1)", `SELECT "a""b", é FROM (VALUES (1, 2)) AS x("a""b", é)`, "SELECT 1;;", "SELECT 'a", `SELECT "a`, "SELECT $a$", "/* a",
		"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END", "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",
		`SELECT U&"a!0062" UESCAPE '!' FROM (VALUES (1)) AS x(ab)`, "SELECT U&\"a\" uescape", "SELECT U&\"a\" /**/ UESCAPE --\n$$!$$", `SELECT 'a\'; SELECT 2; --'`,
		`SELECT n'\'', 'b'`, "SELECT 1 ; \\", "SELECT {", "SELECT 1..2", "SELECT 0x1F", "SELECT 1_0", "SELECT 1\u00a0", "SELECT 'a' 'b'", "select 1 as $",
	} {
		f.Add(sql)
	}
	pool := testdb.Pool(f, testdb.Empty, testdb.MaxConns(2))
	var conns [2]*pgxpool.Conn
	for i, setting := range []string{"on", "off"} {
		conns[i] = check.Value(pool.Acquire(f.Context()))(f)
		defer conns[i].Release()
		check.Value(conns[i].Exec(f.Context(), "SET standard_conforming_strings = "+setting))(f)
		check.Value(conns[i].Exec(f.Context(), "SET backslash_quote = on"))(f)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if strings.ContainsAny(sql, "\x00\v") || len(sql) > 10_000 {
			return // a vertical tab is white space from version 16 on
		}
		for i, conn := range conns {
			l := sqltext.New(sql)
			l.Escapes = i == 1
			want, several := prepared(t, conn.Conn().PgConn(), sql)
			joined, whole := rejoin(l)
			got, _ := prepared(t, conn.Conn().PgConn(), joined)
			if want != got {
				t.Errorf("%q is %s to the server, %q is %s", sql, want, joined, got)
			}
			if !whole && want != "42601" {
				t.Errorf("%q does not end, but is %q to the server", sql, want)
			}
			if n := statements(l); several && n < 2 || want == "" && n > 1 {
				t.Errorf("%q has %d statements; several to the server: %v", sql, n, several)
			}
		}
	})
}

// prepared returns the SQLSTATE of preparing a text, and whether the reason is
// that it has several statements.
func prepared(t *testing.T, conn *pgconn.PgConn, sql string) (code string, several bool) {
	_, err := conn.Prepare(context.Background(), "", sql, nil)
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return "", false
	case !errors.As(err, &pg):
		t.Fatalf("%q: %v", sql, err)
	}
	return pg.Code, strings.Contains(pg.Message, "multiple commands")
}

// rejoin puts the tokens of a text together with comments between them. A word
// that touches a number goes on doing so: what that means depends on the
// server's version.
func rejoin(l sqltext.Lexer) (joined string, whole bool) {
	var b strings.Builder
	last := sqltext.Token{}
	for {
		t := l.Next()
		switch {
		case t.Kind == sqltext.End:
			return b.String(), true
		case t.Kind == sqltext.Unclosed:
			return b.String() + " " + t.Text, false
		case t.Kind == sqltext.Comment:
			continue
		case (last.Kind == sqltext.Number || last.Kind == sqltext.Param) && last.Pos+len(last.Text) == t.Pos:
		default:
			b.WriteString(" /*;'*/ ")
		}
		b.WriteString(t.Text)
		last = t
	}
}

// BenchmarkTokens reads a statement of 200 bytes.
func BenchmarkTokens(b *testing.B) {
	const sql = `SELECT "id", "name", "price_cents", "stock", "deleted_at" FROM "products" WHERE "deleted_at" IS NULL ` +
		`AND "price_cents" < $1 AND ("category_id" = ANY($2) OR "name" LIKE $3) ORDER BY "id" LIMIT 20`
	b.ReportAllocs()
	var space [64]sqltext.Token
	for range b.N {
		if len(sqltext.Append(space[:0], sql)) != 37 {
			b.Fatal(len(sqltext.Append(space[:0], sql)))
		}
	}
}
