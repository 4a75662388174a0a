// Package observe watches what a program sends to PostgreSQL, and finds loops
// that send a statement for each row where one would do for all (N+1).
//
// # Attaching
//
// It hears of statements from pgx, so it sees what repositories send, what sqlc
// generated and SQL written by hand, all alike. The configuration of a pool or
// a connection is told once; a tracer that is there already is kept:
//
//	cfg, err := pgxpool.ParseConfig(dsn)
//	observe.Attach(cfg.ConnConfig)
//	pool, err := pgxpool.NewWithConfig(ctx, cfg)
//
// Attached is not switched on. Where the context of a statement has no scope,
// the price is one look for it: some ten nanoseconds, no allocation. So
// programs may attach always.
//
// # In tests
//
// A scope says which statements are looked at together. One in a test, and the
// test fails when something below it loops:
//
//	func TestListing(t *testing.T) {
//		ctx := observe.WithScope(t.Context(), observe.NPlusOne{Policy: observe.Fail(t)})
//		listing, err := catalog.List(ctx)
//
// The message has the place, who called it, the statement without its
// arguments, and the relation to preload if one is declared for it:
//
//	N+1: a statement was repeated 6 times by /app/catalog.go:41 catalog.List
//		SELECT "id", "name" FROM "categories" WHERE "id" = $1
//		instead: preload belongs-to shop.Product -> shop.Category (declared at tables.go:120)
//
// A test needs rows enough: with the default limit a loop is found at its
// seventh.
//
// # In a server
//
// While developing, a middleware begins a scope for each request and findings
// are logged. In production it leaves that out, or does it for some requests:
//
//	func watched(next http.Handler) http.Handler {
//		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//			next.ServeHTTP(w, r.WithContext(observe.WithScope(r.Context())))
//		})
//	}
//
// [NPlusOne].Policy decides what happens with a finding: [Log], [Fail],
// [Ignore] or a function of yours. [Findings] returns what a scope found so
// far.
//
// # What counts as a loop
//
// The same text, sent again and again within one scope from the same call site.
// The call site is the innermost frame of the program's own code, and the two
// that called it. So callers of a helper or of a method of your own repository
// are told apart, and the goroutines of a request count together. Frames of
// smrt, of pgx, of files that sqlc wrote (.sql.go), of other tracers, and of a
// handle of yours between smrt and pgx are passed over.
//
// The first time that a text is sent is never located, because a request that
// repeats nothing should not pay for walking stacks. Only repeats are, and only
// they are charged to their sites; see [NPlusOne] for what follows from it, and
// for what is not counted.
//
// A loop that is meant as it is says so:
//
//	for _, id := range expired {
//		err := accounts.Delete(observe.Deliberate(ctx), id)
//	}
//
// # What it does not see
//
// Loops that send a batch or a COPY each time; loops that put their values into
// the text, because no two texts are the same; statements sent under a context
// without the scope, such as context.Background. A loop over databases with the
// same tables looks like one over rows: mark it [Deliberate].
package observe
