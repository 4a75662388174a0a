package observe_test

import (
	"context"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
)

// openStore has a shop with ten products, each in a category of its own.
func openStore() (s *store, done func()) {
	pool, done := testdb.ExamplePool(shop.Schema, attached)
	return fill(context.Background(), pool, 10), done
}
