// Package loader lets goroutines that ask for single things at the same time
// share calls of a function that answers many.
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
// A key without a value is smrt.ErrNotFound, or the zero value with
// [ZeroIfMissing]. [Group] makes the map where a key has several rows.
// [Loader.LoadMany] returns the values of many keys in their order, and says
// with a [MissingError] which have none.
//
// (Repository.Get on a pool shares its statements in the same way, without a
// loader. A loader is for everything else: rows by another column, sums, what
// another service answers, and results that a request remembers.)
//
// # When calls are shared
//
// While fewer than [MaxInFlight] calls are under way, a Load makes its own, at
// once and on its own goroutine. Otherwise it joins the batch that waits, and
// that leaves as soon as a call returns. There is no timer, so that a loader
// costs nothing while there is little to do, and no goroutine while nothing
// waits. Batches grow with the load, up to [MaxBatch] keys, and leave in the
// order in which they were begun.
//
// A Load joins only what has not left yet. So its answer is never older than
// its call, and whoever has written something and then loads it sees it.
//
// # One loader for the process
//
// Without further options a loader remembers nothing, and may live as long as
// the program:
//
//	var loaded = loader.New(fn, loader.MaxInFlight(4), loader.MaxBatch(500))
//
// Those who ask for the same key in one batch get the same value. If it is a
// pointer, they share what it points to.
//
// # One loader for each request
//
// Resolvers of GraphQL ask for related rows one at a time. With [PerRequest]
// they share one call for each level of the query, and each key is asked for
// once. A middleware makes the loaders and puts them into the context:
//
//	func middleware(next http.Handler) http.Handler {
//		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//			ctx := r.Context()
//			loaders := &Loaders{Categories: loader.New(fn, loader.PerRequest(ctx))}
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
// What was loaded is remembered until the loader is dropped. [Loader.Clear]
// forgets a key that was written, [Loader.Prime] adds what is known from
// elsewhere. Errors are not remembered.
//
// # Contexts
//
// A Load whose context ends returns at once with its error; the others of its
// batch do not notice. A call that one caller makes alone has that caller's
// context. A batch belongs to nobody, so its context has
//
//   - no values, that is no trace and no user either, but those of the request
//     with [PerRequest];
//   - the latest deadline of its callers, and none if one of them has none;
//   - an end as soon as all of its callers have gone.
//
// # Errors and panics
//
// An error of the function is the answer to all keys of the call. A panic
// reaches all callers as a panic: with the function's own value where a caller
// made the call itself, and with a *[PanicError], which has the stack, where it
// was a batch. The loader can be used afterwards.
//
// The function must not Load from the loader that calls it: once MaxInFlight
// calls wait for others, none of them can leave.
package loader
