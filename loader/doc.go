// Package loader batches single lookups: goroutines that ask for one key each
// at the same time share calls of a function that returns the values of many
// keys.
//
// # A function and its loader
//
// A [Func] gets keys and returns a map; a repository has it ready. [Loader.Load]
// asks for one key, from as many goroutines as there are:
//
//	names := loader.New(func(ctx context.Context, ids []int64) (map[int64]*Product, error) {
//		rows, err := products.GetMany(ctx, ids)
//		return loader.Index(rows, products.Key), err
//	})
//	product, err := names.Load(ctx, id)
//
// If the key has no value, Load returns smrt.ErrNotFound, or the zero value with
// ZeroIfMissing of [Options]. [Group] makes the map if a key has several rows.
// [Loader.LoadMany] returns the values of many keys in their order, and a
// [MissingError] says which have none.
//
// Repository.Get on a pool batches its statements in the same way, without a
// loader. Use a loader for everything else: rows by another column, sums,
// replies of another service, and results that a request remembers.
//
// # When calls are shared
//
// While fewer than MaxInFlight calls are under way, a Load makes its own call,
// at once and on its own goroutine. Otherwise it joins the batch that waits.
// That batch leaves as soon as a call returns. There is no timer, so a loader
// adds no delay while there is little to do, and it has no goroutine while
// nothing waits. Batches grow with the load, up to MaxBatch keys, and leave in
// the order in which they were begun.
//
// A Load joins only a batch that has not left yet. So its result is never older
// than its call: a caller who writes something and then loads it sees it.
//
// # One loader for the process
//
// A loader of [New] remembers nothing, and may live as long as the program:
//
//	var loaded = loader.New(fn, loader.Options{MaxInFlight: 4, MaxBatch: 500})
//
// Callers who ask for the same key in one batch get the same value. If it is a
// pointer, they share what it points to.
//
// If the result depends on who asks, because the function looks at its context
// or hooks of the pool bind a tenant to a connection, name what tells callers
// apart, so that only calls of one of them meet. Tenants of smrt.WithTenant are told
// apart by themselves:
//
//	loader.Options{Caller: func(ctx context.Context) any { return tenantOf(ctx) }}
//
// # One loader for each request
//
// Resolvers of GraphQL ask for related rows one at a time. With a loader of
// [NewPerRequest] they share one call for each level of the query, and each key
// is asked for once. A middleware makes the loaders and puts them into the
// context:
//
//	func middleware(next http.Handler) http.Handler {
//		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//			ctx := r.Context()
//			loaders := &Loaders{Categories: loader.NewPerRequest(ctx, fn)}
//			next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, loadersKey{}, loaders)))
//		})
//	}
//
// and a resolver takes them out again:
//
//	func (r *productResolver) Category(ctx context.Context, p *Product) (*Category, error) {
//		return loadersOf(ctx).Categories.Load(ctx, p.CategoryID)
//	}
//
// The loader remembers what was loaded until it is dropped. [Loader.Clear]
// forgets a key that was written, [Loader.Prime] adds what the caller knows from
// elsewhere. Errors are not remembered.
//
// # Contexts
//
// A Load whose context ends returns its error at once; the others of its batch
// do not notice. A call that one caller makes alone has that caller's context.
// A batch belongs to no single caller, so its context has
//
//   - no values, and so no trace and no user. A loader of [NewPerRequest] has
//     the values of the request instead, and one whose Options name the Caller
//     those of one caller, without its transaction, session and trace;
//   - the latest deadline of its callers, and none if one of them has none;
//   - an end as soon as all of its callers have gone.
//
// # Errors and panics
//
// An error of the function is returned to all callers of the call. A panic
// reaches all callers as a panic: with the function's own value if a caller
// made the call itself, and with a *[PanicError], which has the stack, if it
// was a batch. The loader can be used afterwards.
//
// Options that cannot be used are reported by every Load, as an
// *[smrt.OptionsError].
//
// The function must not Load from the loader that calls it: once MaxInFlight
// calls wait for others, none of them can leave.
package loader
