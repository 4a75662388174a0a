package smrt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// What customers keep is declared once, beside their table.
var (
	CustomerName    = query.TextCol(func(c *Customer) *string { return &c.Name })
	CustomerEmail   = query.TextCol(func(c *Customer) *string { return &c.Email })
	CustomerCountry = query.TextCol(func(c *Customer) *string { return &c.Country })

	RuledCustomers = query.NewTable("customers", func(c *Customer) *int64 { return &c.ID },
		query.Rules(
			query.NotBlank(CustomerName), query.MaxLength(CustomerName, 20),
			query.Matches(CustomerEmail, regexp.MustCompile(`^\S+@\S+$`)),
			query.OneOf(CustomerCountry, "NL", "BE", "SE"),
			query.RuleFunc("belgians_have_short_names", func(c *Customer) bool {
				return c.Country != "BE" || len(c.Name) < 10
			}, CustomerCountry, CustomerName)))
)

// A handler answers values that break rules with status 422, and each of them with
// the field that it is about. Nothing was sent to the database.
func ExampleRuleError() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	customers := repo.New(pool, RuledCustomers)

	create := func(w http.ResponseWriter, r *http.Request) {
		var c Customer
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		err := customers.Create(r.Context(), &c)
		var broken *smrt.RuleError
		switch {
		case errors.As(err, &broken):
			type problem struct {
				Fields  []string `json:"fields"`
				Rule    string   `json:"rule"`
				Message string   `json:"message"`
			}
			var problems []problem
			for _, v := range broken.Violations {
				problems = append(problems, problem{v.Columns, v.Rule, v.String()})
			}
			w.WriteHeader(http.StatusUnprocessableEntity)
			_ = json.NewEncoder(w).Encode(problems)
		case err != nil:
			http.Error(w, "try again later", http.StatusInternalServerError)
		default:
			w.WriteHeader(http.StatusCreated)
		}
	}

	for _, body := range []string{
		`{"name": " ", "email": "nobody", "country": "NL"}`,
		`{"name": "Jan van den Berghe", "email": "jan@example.com", "country": "BE"}`,
		`{"name": "Jan", "email": "jan@example.com", "country": "BE"}`,
	} {
		w := httptest.NewRecorder()
		create(w, httptest.NewRequest(http.MethodPost, "/customers", strings.NewReader(body)))
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 422 [{"fields":["name"],"rule":"not_blank","message":"must not be blank"},{"fields":["email"],"rule":"matches","message":"must match ^\\S+@\\S+$"}]
	//
	// 422 [{"fields":["country","name"],"rule":"belgians_have_short_names","message":"must satisfy belgians_have_short_names"}]
	//
	// 201
}
