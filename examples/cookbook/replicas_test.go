package cookbook

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/smrttest"
)

// TestReplicas runs the shop on two servers, of which the standby stops to replay. What was
// written is read all the same.
func TestReplicas(t *testing.T) {
	t.Parallel()
	servers := smrttest.Replicas(t, schema, 1)
	secret := []byte("0123456789abcdef")
	db, err := OpenServers(t.Context(), secret, servers.Standbys[0].DSN(), servers.Primary.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, ctx := New(db), t.Context()
	ada := Customer{Email: "ada@example.com", Name: "Ada"}
	if err := s.Customers.Create(ctx, &ada); err != nil {
		t.Fatal(err)
	}
	if err := servers.WaitForReplay(ctx); err != nil {
		t.Fatal(err)
	}
	reading := func(n readreplica.NodeStats) bool { return n.Reading && !n.Primary }
	for !slices.ContainsFunc(db.Stats().Nodes, reading) { // the standby serves reads soon
		time.Sleep(time.Millisecond)
	}
	if err := servers.Standbys[0].PauseReplay(ctx); err != nil {
		t.Fatal(err)
	}

	read, err := s.SetBalance(ctx, ada.ID, 7)
	is(t, "SetBalance", err, read.Balance, 7)
	message, err := s.PlaceAndTell(ctx, &Order{CustomerID: ada.ID, Status: "new", PlacedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	order, err := s.Told(ctx, message)
	is(t, "Told", err, order.Status, "new")

	// The next request of a browser sees what its last one wrote.
	handler, err := db.Middleware(readreplica.HTTP{Insecure: true}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if err := s.Customers.Patch(r.Context(), ada.ID, Balance.Set(8)); err != nil {
				t.Error(err)
			}
			return
		}
		c, err := s.Customers.Get(r.Context(), ada.ID)
		is(t, "the next request", err, c.Balance, 8)
		_, _ = w.Write([]byte(strconv.FormatInt(c.Balance, 10)))
	}))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		request, err := http.NewRequestWithContext(ctx, method, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		is(t, method, nil, answer.StatusCode, http.StatusOK)
	}
}
