package otelsmrt_test

import (
	"os"
	"testing"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

// dsn is the URL of a new database for an example, which stands for
// os.Getenv("DATABASE_URL") in a program.
func dsn() string { return testdb.ExampleDSN(shop.Schema) }
