package unit_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

// dsn is the URL of a new database for an example, which stands for
// os.Getenv("DATABASE_URL") in a program. It has a shop and a league.
func dsn() string {
	return testdb.ExampleDSN(testdb.Schema{Name: "examples", Apply: func(ctx context.Context, dsn string) error {
		return errors.Join(shop.Schema.Apply(ctx, dsn), leagueSchema.Apply(ctx, dsn))
	}})
}
