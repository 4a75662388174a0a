package preload

import (
	"database/sql"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/load"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// ForeignKey is how a T references a row whose key is a K: by the accessor of a
// column of that type; of a column that can be NULL, which is a pointer, an
// sql.Null or one of the types of pgtype that sqlc uses; or by the parts of a
// composite key, as in query.NewCompositeTable.
type ForeignKey[T any, K comparable] interface {
	func(*T) *K | func(*T) **K | func(*T) *sql.Null[K] |
		func(*T) *pgtype.Int2 | func(*T) *pgtype.Int4 | func(*T) *pgtype.Int8 |
		func(*T) *pgtype.Text | func(*T) *pgtype.UUID |
		query.Key[T, K]
}

// fieldsOf finds the columns of a foreign key, in the order of the key of to.
func fieldsOf[T any, K comparable, F ForeignKey[T, K]](fk F, to *plan.Table) []load.Field {
	if parts, ok := any(fk).(query.Key[T, K]); ok {
		return load.Composite(plan.All(parts), to)
	}
	return load.Single(meta.ColumnOfFunc(fk), to) // not ColumnOf: its code is compiled for each type
}
