package readreplica_test

import (
	"log"
	"net/http"
	"strconv"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
)

// In a web service each user's session travels in a cookie, so that the page
// after a form shows what was saved, whichever process answers.
func ExampleRouter_Middleware() {
	var db *readreplica.Router // opened with a Config.TokenSecret
	products := repo.New(db, shop.Products)

	mux := http.NewServeMux()
	mux.HandleFunc("POST /products/{id}/rename", func(w http.ResponseWriter, req *http.Request) {
		id, _ := strconv.ParseInt(req.PathValue("id"), 10, 64)
		err := products.Patch(req.Context(), id, shop.ProductName.Set(req.FormValue("name")))
		if err != nil {
			http.Error(w, "not saved", http.StatusInternalServerError)
			return
		}
		http.Redirect(w, req, "/products/"+req.PathValue("id"), http.StatusSeeOther)
	})

	handler, err := db.Middleware(readreplica.HTTP{}, mux)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(":8080", handler))
}
