package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestBodies(t *testing.T) {
	t.Parallel()
	f := opened(t)
	path := fmt.Sprint("/products/", f.assam.ID)
	for body, part := range map[string]string{
		"":                                  `"name":"body"`,
		`{"version": 1`:                     `"name":"body"`,
		`{"version": 1, "price": 1}`:        `"name":"body"`,
		`{"version": 1, "price_cents": 1}}`: `"name":"body"`,
		`{"price_cents": 1}`:                `"name":"version"`,
		`{"version": 1}`:                    `"name":"price_cents"`,
		`{"version": 1, "price_cents": 9000000000000000000}`: `"name":"price_cents"`,
	} {
		f.expect(body, f.send("PATCH", path, body), 422, part)
	}
	a := f.send("PATCH", path, `{"version": 1, "price_cents": 1}`+"\n")
	f.expect("a price", a, 200, `"price_cents":1`)
	if a.header.Get("Cache-Control") != "private" || a.header.Get("Vary") == "" {
		t.Error("an answer of one tenant may be kept for another:", a.header)
	}
}

// TestTooSlow: a request whose time is over has no success, though nobody may read the answer.
func TestTooSlow(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	fail(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/orders", nil), context.Canceled)
	if w.Code != http.StatusRequestTimeout {
		t.Error(w.Code)
	}
}
