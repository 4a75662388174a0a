// Package observe watches what a program sends to PostgreSQL: how often, how long
// and with which errors, by names that come from the program. It also finds loops
// that send a statement for each row where one would do for all (N+1).
//
// # Observing
//
// An [Observer] is a tracer of pgx, so it sees what repositories send, what sqlc
// generated and SQL written by hand alike. It is attached to the configuration of a
// pool or a connection, and keeps a tracer that is there already:
//
//	observer, err := observe.New(observe.Config{})
//	db, err := pool.Open(ctx, pool.Config{URL: url, Configure: observer.Configure})
//
//	for _, s := range observer.Snapshot().Top(10) {
//		fmt.Println(s.Name, s.Calls, s.Times.Quantile(0.99), s.Failed)
//	}
//
// It keeps statistics for each text ([Snapshot]), logs what is slow ([SlowLog]),
// and calls hooks before and after each call ([Hook]). Names such as products.get
// are given by smrt to what it sends, and by sqlc to its queries; SQL is not parsed
// for them. See [Name] and docs/guides/monitoring.md. Transactions are counted too, by
// how they ended ([Transactions]), and are events for hooks.
//
// # A page
//
// [Handler] shows it all on a page for operators: the statements that matter most,
// slow calls, findings, pools, nodes of routers, memory, and what runs on the server
// under the same names:
//
//	page, err := observe.Handler(observer, observe.PageConfig{
//		Handles: map[string]smrt.DB{"main": db},
//		Server:  db,
//	})
//	http.Handle("/debug/database", page)
//
// It is HTML without scripts, or JSON for programs:
//
//	curl 'http://localhost:6060/debug/database?format=json&by=errors'
//
// Values are not on it. Names of tables and columns are, so it is not for everybody:
// requests from other machines, by other names than localhost, or through a proxy that
// says so are refused. PageConfig.Allow says who else may see it, and who may if there is
// a proxy that says nothing:
//
//	Allow: func(r *http.Request) bool { return sessions.IsOperator(r) }
//
// A page of 1,000 texts takes some ten milliseconds, and statements do not wait for it. The
// server is asked at most once a second, on one connection, and for a second.
//
// # Attaching for loops only
//
// [Attach] adds no statistics, and serves scopes only; an Observer serves them too:
//
//	cfg, err := pgxpool.ParseConfig(dsn)
//	observe.Attach(cfg.ConnConfig)
//	pool, err := pgxpool.NewWithConfig(ctx, cfg)
//
// Attaching alone counts nothing. If the context of a statement has no scope,
// the cost is one look for it: about ten nanoseconds and no allocation. So
// programs can always attach.
//
// # In tests
//
// A scope says which statements are looked at together. With a scope in a test,
// the test fails if anything that it calls loops:
//
//	func TestListing(t *testing.T) {
//		ctx := observe.WithScope(t.Context(), observe.Options{Policy: observe.Fail(t)})
//		listing, err := catalog.List(ctx)
//
// The message has the call site, its callers, the statement without its
// arguments, and the relation to preload if one is declared for it:
//
//	N+1: a statement was sent 6 times by /app/catalog.go:41 catalog.List
//		SELECT "id", "name" FROM "categories" WHERE "id" = $1
//		instead: preload belongs-to shop.Product -> shop.Category (declared at tables.go:120)
//
// A test needs enough rows: with the default limit a loop is found at its
// sixth row.
//
// # For smrt analyze
//
// A [Snapshot] is written as JSON and read back. It has no values of users: see
// [Snapshot.WithoutValues]. The command smrt analyze finds in it what only shows while
// the program runs, such as statements that are prepared each time, rows that nobody
// reads, and the places in Findings:
//
//	http.HandleFunc("/debug/snapshot", func(w http.ResponseWriter, r *http.Request) {
//		_ = json.NewEncoder(w).Encode(observer.Snapshot())
//	})
//
// Its form has a version, which changes when what was there before means something
// else.
//
// # In a server
//
// During development, a middleware begins a scope for each request and findings
// are logged. In production it begins none, or only for some requests:
//
//	func watched(next http.Handler) http.Handler {
//		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//			next.ServeHTTP(w, r.WithContext(observe.WithScope(r.Context())))
//		})
//	}
//
// [Options].Policy decides what happens with a finding: [Log], [Fail],
// [Ignore] or a function of yours. [Findings] returns what a scope found so
// far.
//
// # What counts as a loop
//
// A loop is the same text, sent again and again within one scope from the same
// call site. The call site is the innermost frame of the program's own code, and
// the two that called it. So callers of a helper, or of a method of your own
// repository, are different call sites, and the goroutines of a request count
// together.
// Frames of smrt, of pgx, of files that sqlc wrote (.sql.go), of other tracers,
// and of a handle of yours between smrt and pgx are skipped.
//
// Frames are named once a text is repeated, so that a request that repeats nothing
// pays little for it. A read by key that was served by the statement of another call,
// as happens on a busy pool, is charged like one that sent its own. See [Options] for
// what is not counted.
//
// # How much is sent
//
// [Used] returns how many calls were made under a scope, and how long they took.
// Options.MaxCalls is how many there may be: the next one is a finding, which fails a
// test or is logged, as the policy says.
//
//	ctx := observe.WithScope(t.Context(), observe.Options{Policy: observe.Fail(t), MaxCalls: 4})
//
// Mark a loop that is there on purpose:
//
//	for _, id := range expired {
//		err := accounts.Delete(observe.WithoutCounting(ctx), id)
//	}
//
// # Row security
//
// A handle of package rowsecurity sends a setting in front of each statement, in a batch.
// All that is here takes the statement for the call that it is to the program: its name,
// its text, its arguments, rows, times and errors are the same as on the pool, and a loop
// of them is found. The setting is no call, no statement of a batch and in no figure; what
// the server takes for it is in the time of the statement. That a statement had to be
// prepared is not known there, so Prepared stays 0.
//
// # What it does not see
//
// It does not see loops that send a batch or a COPY each time, loops that put
// their values into the text, because no two texts are the same, and statements
// sent under a context without the scope, such as context.Background. A loop
// over databases with the same tables looks like one over rows: mark it
// [WithoutCounting].
package observe
