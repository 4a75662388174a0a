package catalog_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// TestRelationSQL compares what a name stands for with what the server says.
func TestRelationSQL(t *testing.T) {
	ctx := t.Context()
	c := check.Value(testdb.Pool(t, testdb.Empty).Acquire(ctx))(t)
	defer c.Release()
	check.Value(c.Exec(ctx, `CREATE SCHEMA a; CREATE SCHEMA "B.c"; SET search_path = a, "B.c", missing, public;
		CREATE TABLE first (); CREATE TABLE "B.c".first (); CREATE TABLE "B.c".second (); CREATE VIEW public.third AS SELECT 1;
		CREATE TABLE a."odd "".name" (); CREATE TABLE a.hidden (); CREATE TEMP TABLE hidden (); CREATE TABLE a.pg_class ();
		CREATE TABLE a."`+long+`" ()`))(t)
	found := 0
	for _, name := range []string{
		`"first"`, `"second"`, `"third"`, `"a"."first"`, `"B.c"."first"`, `"public"."first"`, `"First"`, `"odd "".name"`, `"a"."odd "".name"`,
		`"hidden"`, `"a"."hidden"`, `"pg_temp"."hidden"`, `"pg_temp"."first"`, `"pg_class"`, `"pg_catalog"."pg_class"`, `"a"."pg_class"`,
		`"missing"."first"`, `"missing"`, `"` + long + `"`, `"a"."` + long + `"`, `"` + long + `and more"`,
	} {
		var got, want pgtype.Uint32
		check.NoError(t, c.QueryRow(ctx, "SELECT "+catalog.RelationSQL+", to_regclass($1::text)::oid FROM (SELECT $1::text AS name) asked", name).Scan(&got, &want))
		check.Same(t, name, got, want)
		if want.Valid {
			found++
		}
	}
	check.Same(t, "found", found, 16)
}

// long is a name of as many bytes as the server keeps.
const long = "a_name_of_63_bytes_____________________________________________"
