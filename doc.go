// Package smrt is the vocabulary of a data-access library for PostgreSQL: the
// [DB] interface that everything runs on, and the errors that callers branch
// on.
//
// # Where things are
//
// Package query declares tables and typed columns and builds queries from them;
// it needs no database. Package repo binds a table to a handle and reads and
// writes its rows. Most programs import those two, and this one for its errors:
//
//	var (
//		Products = query.NewTable("products", func(p *Product) *int64 { return &p.ID })
//		Price    = query.Col(func(p *Product) *int64 { return &p.PriceCents })
//	)
//
//	products := repo.New(pool, Products)
//	cheap, err := products.Find(ctx, query.Where(Price.Lt(10_00)).Limit(20))
//
// # Handles
//
// A [DB] is a *pgxpool.Pool, a connection or a transaction of pgx, as it is. The
// code that sqlc generates takes the same handles, so both run in one
// transaction. Only the packages pool and readreplica open connections; others use
// the handle that they are given, and start goroutines only while somebody waits
// for them.
//
// # Errors
//
// A sentinel says what went wrong, for errors.Is; a struct has the particulars,
// for errors.As:
//
//	var violated *smrt.ConstraintError
//	switch {
//	case errors.Is(err, smrt.ErrNotFound):
//		...
//	case errors.As(err, &violated):
//		... violated.Constraint, violated.Columns
//	}
//
// Values that break rules of their table, which query.Rules declares, are one
// [RuleError] for all rows of a call. Its violations name rows and columns, which is
// what an HTTP API answers with status 422; see the example of [RuleError]:
//
//	var broken *smrt.RuleError
//	if errors.As(err, &broken) {
//		w.WriteHeader(http.StatusUnprocessableEntity)
//		json.NewEncoder(w).Encode(problems(broken.Violations))
//	}
//
// Errors are told apart by SQLSTATE and never by their text, and no text of
// smrt's contains a value that was sent or read, so errors may be logged. The
// *pgconn.PgError behind one stays reachable with errors.As; its own texts do
// contain values.
package smrt
