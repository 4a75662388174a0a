package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"

	"github.com/smrt-go/smrt/examples/shop/db"
)

const maxBody = 64 << 10 // bytes of a request

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
	// Only answers to writes have a session: all others can be kept by proxies and browsers.
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
		if err := fn(w, r); err != nil {
			fail(w, r, err)
		}
	})
}

// GET /products?category=&min_price=&max_price=&min_stock=&sort=-price,name&size=&after=
func (a *api) products(w http.ResponseWriter, r *http.Request) error {
	form := r.URL.Query()
	size, err := sizeOf(form.Get("size"))
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
		Version    int64 `json:"version"`
		PriceCents int64 `json:"price_cents"`
	}
	if err := decode(r, &change); err != nil {
		return err
	}
	product, err := a.shop.Reprice(r.Context(), id, change.Version, change.PriceCents)
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
	form := r.URL.Query()
	size, err := sizeOf(form.Get("size"))
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
	if len(key) < 8 || len(key) > 100 {
		return &InputError{Field: keyHeader, Reason: "must have 8 to 100 bytes"}
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

func sizeOf(text string) (int, error) {
	if text == "" {
		return 20, nil
	}
	size, err := strconv.Atoi(text)
	if err != nil || size < 1 {
		return 0, &InputError{Field: "size", Reason: "must be a number above zero"}
	}
	return size, nil
}

// decode reads the body of a request.
func decode(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return &InputError{Field: "body", Reason: "must be JSON of this request", Err: err}
	}
	return nil
}
