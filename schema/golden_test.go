package schema_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/pagila"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/schema"
)

// TestContractOnEveryVersion compares contracts with files, so that a run on another
// version of PostgreSQL than the one that wrote them says what differs. After a change of
// what contracts have, remove the files, run it and read what it wrote.
func TestContractOnEveryVersion(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, shop.Schema)
	golden(t, "shop", check.Value(contractOf(t, pool, uses()).WithQueries(t.Context(), pool, os.DirFS("../internal/shop/shopdb")))(t))
	if path, ok := pagila.Find(); ok {
		golden(t, "pagila", contractOf(t, testdb.Pool(t, pagila.Schema(path)), append(pagilaTables(),
			pagila.Categories, pagila.FilmCategories, pagila.Payments, pagila.Staffs, pagila.Stores, pagila.CustomerList, pagila.FilmList, pagila.SalesByFilmCategory)))
	}
}

func contractOf(t *testing.T, pool *pgxpool.Pool, declarations []schema.Declaration) schema.Contract {
	t.Helper()
	return check.Value(schema.NewContract(t.Context(), pool, declarations...))(t)
}

// golden compares a contract with a file, or writes that.
func golden(t *testing.T, name string, c schema.Contract) {
	t.Helper()
	file := filepath.Join("testdata", name+".contract")
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		check.NoError(t, os.MkdirAll("testdata", 0o750))
		check.NoError(t, os.WriteFile(file, []byte(c.String()), 0o600))
		t.Fatalf("%s was not there, and is written", file)
	}
	check.NoError(t, err)
	was, is := strings.Split(string(text), "\n"), strings.Split(c.String(), "\n")
	for i := range max(len(was), len(is)) {
		if i >= len(was) || i >= len(is) || was[i] != is[i] {
			t.Fatalf("%s differs from its line %d:\n- %s\n+ %s", file, i+1, strings.Join(was[min(i, len(was)):], "\n- "), strings.Join(is[min(i, len(is)):], "\n+ "))
		}
	}
}
