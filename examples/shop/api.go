package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"unicode/utf8"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"

	"github.com/smrt-go/smrt/examples/shop/db"
)

const (
	maxBody  = 64 << 10      // bytes of a request
	maxPrice = 1_000_000_000 // cents, of which an order can be the sum
)

// api is the shop by HTTP.
type api struct {
	shop     *Shop
	db       *databases
	stopping atomic.Bool
}

// handler returns what clients reach.
func (a *api) handler() (http.Handler, error) {
	calls := http.NewServeMux()
	calls.Handle("GET /products", handle(a.products))
	calls.Handle("GET /products/{id}", handle(a.product))
	calls.Handle("PATCH /products/{id}", handle(a.reprice))
	calls.Handle("POST /products/{id}/reviews", handle(a.review))
	calls.Handle("GET /search", handle(a.search))
	calls.Handle("POST /orders", handle(a.place))
	calls.Handle("GET /orders/{id}", handle(a.order))
	// Only answers to writes have a session, so that browsers can keep the others.
	sessions, err := a.db.router.Middleware(readreplica.HTTP{Header: sessionHeader, WritesOnly: true}, calls)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", identify(sessions))
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {}) // the process answers
	mux.HandleFunc("GET /readyz", a.ready)
	return mux, nil
}

// ready says whether requests should be sent here.
func (a *api) ready(w http.ResponseWriter, r *http.Request) {
	if a.stopping.Load() || a.db.ready(r.Context()) != nil {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
	}
}

// handle makes a handler of a function that returns what went wrong.
func handle(fn func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		w.Header().Set("Cache-Control", "private") // one URL has an answer for each tenant
		w.Header().Set("Vary", tenantHeader+", "+sessionHeader)
		if err := fn(w, r); err != nil {
			fail(w, r, err)
		}
	})
}

// GET /products?category=&min_price=&max_price=&min_stock=&sort=-price,name&size=&after=
func (a *api) products(w http.ResponseWriter, r *http.Request) error {
	form, size, err := formOf(r)
	if err != nil {
		return err
	}
	page, err := a.shop.Products(r.Context(), form, query.Page{Size: size, After: form.Get("after")})
	if err != nil {
		return err
	}
	return succeed(w, http.StatusOK, page)
}

// GET /products/{id}
func (a *api) product(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	product, err := a.shop.Product(r.Context(), id)
	if err != nil {
		return err
	}
	return succeed(w, http.StatusOK, product)
}

// PATCH /products/{id} {"version": 3, "price_cents": 990}
func (a *api) reprice(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	var change struct {
		Version    *int64 `json:"version"` // pointers, so that one that is missing is no zero
		PriceCents *int64 `json:"price_cents"`
	}
	if err := decode(r, &change); err != nil {
		return err
	}
	switch {
	case change.Version == nil:
		return &InputError{Field: "version", Reason: "must be given"}
	case change.PriceCents == nil || *change.PriceCents < 0 || *change.PriceCents > maxPrice:
		return &InputError{Field: "price_cents", Reason: fmt.Sprintf("must be from 0 to %d", maxPrice)}
	}
	product, err := a.shop.Reprice(r.Context(), id, *change.Version, *change.PriceCents)
	if err != nil {
		return err
	}
	return succeed(w, http.StatusOK, product)
}

// POST /products/{id}/reviews {"rating": 5, "body": ""}
func (a *api) review(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	var sent struct {
		Rating int16  `json:"rating"`
		Body   string `json:"body"`
	}
	if err := decode(r, &sent); err != nil {
		return err
	}
	review := db.Review{ProductID: id, Rating: sent.Rating, Body: sent.Body}
	if err := a.shop.Review(r.Context(), &review); err != nil {
		return err
	}
	return succeed(w, http.StatusCreated, review)
}

// GET /search?words=&size=, and what filters products
func (a *api) search(w http.ResponseWriter, r *http.Request) error {
	form, size, err := formOf(r)
	if err != nil {
		return err
	}
	found, err := a.shop.Search(r.Context(), form.Get("words"), form, size)
	if err != nil {
		return err
	}
	return succeed(w, http.StatusOK, found)
}

// POST /orders {"customer": "", "lines": [{"product_id": 1, "quantity": 2}]}
func (a *api) place(w http.ResponseWriter, r *http.Request) error {
	key := r.Header.Get(keyHeader)
	if len(key) < 8 || len(key) > 100 || !utf8.ValidString(key) {
		return &InputError{Field: keyHeader, Reason: "must have 8 to 100 bytes, which are UTF-8"}
	}
	var wanted Wanted
	if err := decode(r, &wanted); err != nil {
		return err
	}
	order, placed, err := a.shop.Place(r.Context(), key, &wanted)
	if err != nil {
		return err
	}
	status := http.StatusOK // it was placed before
	if placed {
		status = http.StatusCreated
	}
	w.Header().Set("Location", fmt.Sprint("/orders/", order.ID))
	return succeed(w, status, order)
}

// GET /orders/{id}
func (a *api) order(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	order, err := a.shop.Order(r.Context(), id)
	if err != nil {
		return err
	}
	return succeed(w, http.StatusOK, order)
}

func idOf(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, &InputError{Field: "id", Reason: "must be a number"}
	}
	return id, nil
}

const (
	defaultSize = 20  // of a page
	maxSize     = 100 // and the most
)

// formOf returns the parameters of a request, and the size among them. What cannot be parsed is no
// parameter that was left out.
func formOf(r *http.Request) (form url.Values, size int, err error) {
	if form, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return nil, 0, &InputError{Field: "query", Reason: "must be parameters that are escaped as in a URL", Err: err}
	}
	size = defaultSize
	if text := form.Get("size"); text != "" {
		if size, err = strconv.Atoi(text); err != nil || size < 1 || size > maxSize {
			return nil, 0, &InputError{Field: "size", Reason: fmt.Sprintf("must be a number from 1 to %d", maxSize)}
		}
	}
	return form, size, nil
}

// decode reads the body of a request, which is one JSON object.
func decode(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return &InputError{Field: "body", Reason: "must be valid JSON with the fields of this request", Err: err}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &InputError{Field: "body", Reason: "must end with the object", Err: err}
	}
	return nil
}
