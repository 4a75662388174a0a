package preload

import (
	"database/sql"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/load"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// ForeignKey is how a T names a row whose key is a K: the accessor of a column
// of that type; or of one that can be NULL, as a pointer, an sql.Null or the
// types of pgtype that sqlc uses; or the parts of a composite key, as in
// query.NewCompositeTable.
type ForeignKey[T any, K comparable] interface {
	func(*T) *K | func(*T) **K | func(*T) *sql.Null[K] |
		func(*T) *pgtype.Int2 | func(*T) *pgtype.Int4 | func(*T) *pgtype.Int8 |
		func(*T) *pgtype.Text | func(*T) *pgtype.UUID |
		query.Key[T, K]
}

// fieldsOf finds the columns of a foreign key, in the order of the key of to.
// It resolves them itself: a query.Column of each of these types, with all its
// methods, would be compiled for every entity that has a relation.
func fieldsOf[T any, K comparable, F ForeignKey[T, K]](fk F, to *plan.Table) []load.Field {
	switch fk := any(fk).(type) {
	case func(*T) *K:
		return load.Single(meta.ColumnOf(fk), to)
	case func(*T) **K:
		return load.Single(meta.ColumnOf(fk), to)
	case func(*T) *sql.Null[K]:
		return load.Single(meta.ColumnOf(fk), to)
	case func(*T) *pgtype.Int2:
		return load.Single(meta.ColumnOf(fk), to)
	case func(*T) *pgtype.Int4:
		return load.Single(meta.ColumnOf(fk), to)
	case func(*T) *pgtype.Int8:
		return load.Single(meta.ColumnOf(fk), to)
	case func(*T) *pgtype.Text:
		return load.Single(meta.ColumnOf(fk), to)
	case func(*T) *pgtype.UUID:
		return load.Single(meta.ColumnOf(fk), to)
	case query.Key[T, K]:
		return load.Composite(plan.All(fk), to)
	}
	panic("unreachable: ForeignKey has no other type")
}
