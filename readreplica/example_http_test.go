package readreplica_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
)

// In a web service each user's session travels in a cookie, so that the page
// after a form shows what was saved, whichever process answers.
func ExampleRouter_Middleware() {
	db1, db2 := dsns()
	db, err := readreplica.Open(context.Background(), readreplica.Config{
		Servers:     []readreplica.Server{{URL: db1}, {URL: db2}},
		TokenSecret: []byte("32 random bytes, in all processes"),
	})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	products := repo.New(db, Products)

	mux := http.NewServeMux()
	mux.HandleFunc("POST /products/3", func(w http.ResponseWriter, req *http.Request) {
		err := products.Patch(req.Context(), 3, ProductName.Set(req.FormValue("name")))
		if err != nil {
			http.Error(w, "not saved", http.StatusInternalServerError)
			return
		}
		http.Redirect(w, req, "/products/3", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /products/3", func(w http.ResponseWriter, req *http.Request) {
		p, err := products.Get(req.Context(), 3)
		if err != nil {
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		fmt.Fprint(w, p.Name)
	})
	handler, err := db.Middleware(readreplica.HTTP{Insecure: true}, mux) // Insecure: without TLS
	if err != nil {
		panic(err)
	}

	server := httptest.NewServer(handler)
	defer server.Close()
	jar, _ := cookiejar.New(nil)
	browser := http.Client{Jar: jar}
	res, err := browser.PostForm(server.URL+"/products/3", map[string][]string{"name": {"Gyokuro"}})
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	page, _ := io.ReadAll(res.Body)
	fmt.Println(string(page))
	// Output: Gyokuro
}
