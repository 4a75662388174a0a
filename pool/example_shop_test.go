package pool_test

import "github.com/smrt-go/smrt/query"

// Category is the table that the examples use.
type Category struct {
	ID         int64
	Slug, Name string
}

var (
	Categories = query.NewTable("categories", func(c *Category) *int64 { return &c.ID })

	Slug = query.TextCol(func(c *Category) *string { return &c.Slug })
)
