package traced

import "context"

type sharingKey struct{}

// OfOneCall says that what callers share is not told to one of them.
func (sharingKey) OfOneCall() {}

// WithSharing returns a context under which fn is told of reads that were served by
// the statement of another call. It is called on the goroutine that reads.
func WithSharing(ctx context.Context, fn func(ctx context.Context, sql string)) context.Context {
	return context.WithValue(ctx, sharingKey{}, fn)
}

// Shared says that a read, which sends sql if it is alone, was served by the statement
// of another call.
func Shared(ctx context.Context, sql string) {
	if fn, ok := ctx.Value(sharingKey{}).(func(context.Context, string)); ok {
		fn(ctx, sql)
	}
}
