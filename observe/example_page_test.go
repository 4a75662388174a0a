package observe_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// The page is served like any other handler, best on a port that only this machine
// reaches. Here a client reads it as JSON.
func ExampleHandler() {
	ctx := context.Background()
	observer, err := observe.New(observe.Config{})
	if err != nil {
		panic(err)
	}
	db, err := pool.Open(ctx, pool.Config{URL: dsn(), Configure: observer.Configure})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	page, err := observe.Handler(observer, observe.PageConfig{Title: "shop", Handles: map[string]smrt.DB{"main": db}, Server: db})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/database", page)
	server := httptest.NewServer(mux) // a program: go http.ListenAndServe("localhost:6060", mux)
	defer server.Close()

	products := repo.New(db, Products)
	for range 3 {
		if _, err := products.Find(ctx, query.All[Product]()); err != nil {
			panic(err)
		}
	}

	response, err := server.Client().Get(server.URL + "/debug/database?by=calls&format=json")
	if err != nil {
		panic(err)
	}
	defer func() { _ = response.Body.Close() }()
	var shown struct {
		Statements []struct {
			Name  string
			Calls int
		}
		Pools []struct{ Name string }
	}
	if err := json.NewDecoder(response.Body).Decode(&shown); err != nil {
		panic(err)
	}
	fmt.Println(response.Status, shown.Statements[0].Name, shown.Statements[0].Calls, "on", shown.Pools[0].Name)
	// Output:
	// 200 OK products.find 3 on main
}
