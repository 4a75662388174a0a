package cache

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/traced"
)

// An entry is known by the key that the caller gave, and a write tells of keys that the
// server has sent, or that another caller gave. That these are the same values in Go
// whenever they are of one row depends on the types of the columns. The database is asked
// for them when a cache is attached, before anything is kept of it.

const encodingSQL = "SELECT pg_catalog.getdatabaseencoding()::text"

// learnKey finds out whether writes in a database tell of rows by their keys. Once they do
// not, on one of the databases that the cache is attached to, they never do: words are of
// tables, whatever the database.
func (k *kind) learnKey(ctx context.Context, db smrt.DB) error {
	types, err := k.table.FreshCatalog(ctx, db)
	if err != nil {
		return fmt.Errorf("attach a cache: %w", err)
	}
	var encoding string
	if err := db.QueryRow(ctx, traced.Pass(encodingSQL, "", "identity")).Scan(&encoding); err != nil {
		return fmt.Errorf("attach a cache: %w", err)
	}
	if !k.table.KeyIsKeptAs(types, encoding == "UTF8") {
		k.inexact.Store(true)
	}
	return nil
}
