package txn

import "github.com/smrt-go/smrt/internal/pgerr"

// Translate gives an error of pgx or PostgreSQL the type that repositories give
// it, so that a program which also sends SQL of its own, or that of sqlc, has one
// model of errors:
//
//	product, err := shopdb.New(pool).GetProduct(ctx, id)
//	if err := txn.Translate(err); errors.Is(err, smrt.ErrNotFound) {
//
// The result matches what err matches, and contains no value in its text. It is
// nil for nil, and err itself where there is nothing to say. Columns of
// constraints, which repositories look up, are not known here.
//
// A program may wrap an error before or after: its own text is kept, unless what it
// wraps quotes values.
func Translate(err error) error { return pgerr.Translate(err) }
