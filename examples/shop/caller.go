package main

import (
	"context"
	"net"
	"net/http"
	"strconv"

	"github.com/smrt-go/smrt"
)

// The headers of requests. A proxy in front authenticates callers and sets the first two itself,
// whatever a caller sent; without such a proxy this would be the place to check a token.
const (
	tenantHeader  = "X-Tenant"        // a number: whose shop it is
	clientHeader  = "X-Client"        // who is asking; the address if there is none
	sessionHeader = "X-Session"       // of the last answer that had one
	keyHeader     = "Idempotency-Key" // of an order
)

type clientKey struct{}

// clientOf returns the tenant and the client of a request: whose points its calls take.
func clientOf(ctx context.Context) string {
	client, _ := ctx.Value(clientKey{}).(string)
	return client
}

// identify is the only place that knows where tenants come from.
func identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tenant, err := strconv.ParseInt(r.Header.Get(tenantHeader), 10, 64)
		if err != nil || tenant <= 0 {
			fail(w, r, errNoTenant)
			return
		}
		client := r.Header.Get(clientHeader)
		if client == "" {
			client, _, _ = net.SplitHostPort(r.RemoteAddr)
		}
		ctx := smrt.WithTenant(r.Context(), tenant)
		ctx = context.WithValue(ctx, clientKey{}, strconv.FormatInt(tenant, 10)+"/"+client)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
