// Package mark lets a context say how the statements sent under it are meant. It is a package of its own, without
// imports, because whoever sends statements by design many times and whoever counts them must not know each other.
package mark

import "context"

type deliberateKey struct{}

// Deliberate returns a context under which repeating a statement is by design: children read chunk by chunk, batches
// that serve several callers.
func Deliberate(ctx context.Context) context.Context {
	return context.WithValue(ctx, deliberateKey{}, true)
}

// IsDeliberate tells whether repeating a statement under ctx is by design.
func IsDeliberate(ctx context.Context) bool {
	deliberate, _ := ctx.Value(deliberateKey{}).(bool)
	return deliberate
}

// Renew returns a context on which no such mark lies. A loop over requests may be deliberate; what each of them does
// inside is looked at anew.
func Renew(ctx context.Context) context.Context {
	if !IsDeliberate(ctx) {
		return ctx
	}
	return context.WithValue(ctx, deliberateKey{}, false)
}
