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
// Translate before you wrap: pgx has no type for an argument that it cannot
// encode, so an error that fmt.Errorf has wrapped may be taken for one, and its
// text is replaced. What it wraps is still matched.
func Translate(err error) error { return pgerr.Translate(err) }
