package cookbook

import (
	"strconv"
	"testing"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/smrttest"
	"github.com/smrt-go/smrt/txn"
)

func TestSignUp(t *testing.T) {
	t.Parallel()
	s := New(smrttest.Pool(t, schema))
	for i, want := range []bool{true, false} {
		_, isNew, err := s.SignUp(t.Context(), "ada@example.com", "Ada")
		if err != nil || isNew != want {
			t.Errorf("attempt %d: new %v, %v", i+1, isNew, err)
		}
	}
}

func TestListIsThreeStatements(t *testing.T) {
	t.Parallel()
	var sent smrttest.Counter
	s := New(smrttest.Pool(t, schema, smrttest.Count(&sent)))
	customers := make([]Customer, 10) // with one row a loop looks like no loop
	for i := range customers {
		customers[i] = Customer{Email: strconv.Itoa(i) + "@example.com"}
	}
	if err := s.Customers.CreateMany(t.Context(), customers); err != nil {
		t.Fatal(err)
	}
	sent.Reset()
	if _, err := s.List(smrttest.Loops(t)); err != nil {
		t.Error(err)
	}
	if sent.Len() != 3 {
		t.Errorf("%d statements: %q", sent.Len(), sent.Statements())
	}
}

func TestTransferIsAppliedOnce(t *testing.T) {
	t.Parallel()
	var network smrttest.Link
	pool, ctx := smrttest.Pool(t, schema, smrttest.Over(&network)), t.Context()
	s := New(pool)
	if _, err := pool.Exec(ctx, txn.MarkersSQL); err != nil { // a service has it in its migrations
		t.Fatal(err)
	}
	ada, grace := Customer{Email: "ada@example.com", Balance: 10}, Customer{Email: "grace@example.com"}
	for _, c := range []*Customer{&ada, &grace} {
		if err := s.Customers.Create(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	network.LoseAnswer("commit")
	if err := s.Transfer(ctx, "request 1", ada.ID, grace.ID, 4); err != nil {
		t.Fatal(err)
	}
	if !network.Disarm() {
		t.Error("no answer was lost")
	}
	got, err := s.Customers.One(ctx, query.Where(Email.Eq("grace@example.com")))
	if err != nil || got.Balance != 4 {
		t.Errorf("Grace has %+v, %v", got, err)
	}
}
