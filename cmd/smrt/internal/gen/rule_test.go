package gen_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// ruled are columns, with the rules that they get.
var ruled = []struct{ column, rules string }{
	{"text NOT NULL", ""},
	{"text", ""},
	{"uuid NOT NULL", "Required"},
	{"uuid", ""},
	{"bytea NOT NULL", "Required"},
	{"varchar(9)", "MaxLength 9"},
	{"short NOT NULL", "MaxLength 5"},
	{"varchar(9) CHECK (length(%s) BETWEEN 2 AND 20)", "MinLength 2, MaxLength 9"},
	{"varchar CHECK (%s <> '')", "MinLength 1"},
	{"text CHECK (length(%s) = 3)", "MinLength 3, MaxLength 3"},
	{"text CHECK (length(%s) = 0)", ""},
	{"text CHECK (%s IN ('a', 'it''s \"b\"'))", `OneOf "a" "it's \"b\""`},
	{"varchar(2) CHECK (%s IN ('a', 'b', 'long'))", `OneOf "a" "b"`},
	{"text CHECK (%[1]s IN ('a', 'b')) CHECK (%[1]s IN ('b', 'c'))", `OneOf "b"`},
	{"text CHECK (%s >= 'a')", ""},
	{"text COLLATE folded CHECK (%s IN ('a'))", ""},
	{"citext CHECK (%s IN ('a'))", ""},
	{"char(3) CHECK (%s IN ('a'))", ""},
	{"mood CHECK (%s IN ('a'))", ""},
	{"int CHECK (%s > 0)", "AtLeast 1"},
	{"int NOT NULL CHECK (%[1]s >= -5 AND %[1]s <= 5.5)", "AtLeast -5, AtMost 5"},
	{"int CHECK (%s <= 3000000000)", ""},
	{"int CHECK (%s IN (1, -2))", "OneOf 1 -2"},
	{"int CHECK (%[1]s > 5 OR %[1]s < 3)", ""},
	{"int CHECK (%[1]s > 5 AND %[1]s < 3)", ""},
	{"bigint CHECK (%s >= 3000000000)", "AtLeast 3000000000"},
	{"float8 CHECK (%s >= -1.5)", "AtLeast -1.5"},
	{"float8 CHECK (%s > 0)", ""},
	{"real CHECK (%[1]s >= 0.1 AND %[1]s <= 5)", "AtMost 5"},
	{"numeric(4,2)", "AtLeast pgtype.Numeric{Int: big.NewInt(-9999), Exp: -2, Valid: true}, AtMost pgtype.Numeric{Int: big.NewInt(9999), Exp: -2, Valid: true}"},
	{"numeric(4,2) NOT NULL CHECK (%s >= 0)", "Required, AtLeast pgtype.Numeric{Int: big.NewInt(0), Exp: 0, Valid: true}, AtMost pgtype.Numeric{Int: big.NewInt(9999), Exp: -2, Valid: true}"},
	{"numeric CHECK (%s BETWEEN 0.05 AND 0.5)", "AtLeast pgtype.Numeric{Int: big.NewInt(5), Exp: -2, Valid: true}, AtMost pgtype.Numeric{Int: big.NewInt(5), Exp: -1, Valid: true}"},
	{"uuid NOT NULL DEFAULT gen_random_uuid()", ""},
	{"numeric(30,2)", ""},
	{"numeric", ""},
	{"int GENERATED ALWAYS AS (1) STORED CHECK (%s > 0)", ""},
	{"date CHECK (%s > '2026-01-01')", ""},
}

func ruledSchema() string {
	var columns []string
	for i, c := range ruled {
		name, column := fmt.Sprintf("c%d", i), c.column
		if strings.Contains(column, "%") {
			column = fmt.Sprintf(column, name)
		}
		columns = append(columns, name+" "+column)
	}
	return "CREATE SCHEMA ruled; SET search_path = ruled, public; CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;\n" +
		"CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);\n" +
		"CREATE TYPE mood AS ENUM ('a', 'b c'); CREATE DOMAIN short AS varchar(5);\n" +
		"CREATE TABLE ruled (id varchar(3) PRIMARY KEY, " + strings.Join(columns, ", ") + ");\nRESET search_path;\n"
}

// TestRulesForValues expects rules where Go compares as the server does, and no
// others.
func TestRulesForValues(t *testing.T) {
	pool, c := testdb.Pool(t, testdb.Empty), newCompiler(t)
	check.Value(pool.Exec(t.Context(), ruledSchema()))(t)
	relations := relationsOf(t, pool, "ruled")
	got := map[string][]string{}
	_, text, _ := strings.Cut(declared(t, file(t, c.generate(t, relations, "ruled", ""), "tables.go"))["tableRuled"], "query.Rules( ")
	for _, rule := range strings.Split(strings.TrimSuffix(text, ", ))"), "), query.") {
		name, rest, _ := strings.Cut(strings.TrimPrefix(rule, "query."), "(")
		_, rest, _ = strings.Cut(rest, "return &r.")
		field, limits, _ := strings.Cut(strings.TrimSuffix(rest, "),"), " })")
		name, _, _ = strings.Cut(name, "[")
		limits = strings.TrimSuffix(strings.TrimPrefix(limits, ", "), ")")
		if name == "OneOf" {
			limits = strings.ReplaceAll(limits, ", ", " ")
		}
		got[field] = append(got[field], strings.TrimSpace(name+" "+limits))
	}
	check.Equal(t, "rules of the key", got["ID"], []string{"MaxLength 3"})
	for i, c := range ruled {
		check.Same(t, c.column, strings.Join(got[fmt.Sprintf("C%d", i)], ", "), c.rules)
	}
	for _, off := range []string{"rules: false", "tables: {ruled: {rules: false}}"} {
		if strings.Contains(file(t, c.generate(t, relations, "ruled", off), "tables.go"), "Rules(") {
			t.Errorf("rules are written in spite of %q", off)
		}
	}
}
