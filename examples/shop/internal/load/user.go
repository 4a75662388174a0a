package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// shop is what the users know of the shop: what there is to ask for.
type shop struct {
	host     string
	products []int64
	cursors  []string // of pages
	orders   []int64
	mix      []kind // a kind is there as often as its share in a hundred
}

// kind is a kind of request.
type kind struct {
	name  string
	share int // in a hundred
	// next returns a path, and what the answer to it contains.
	next func(s *shop, r *rand.Rand) (path, part string)
}

var kinds = []kind{
	{"product", 60, func(s *shop, r *rand.Rand) (string, string) {
		id := s.products[r.IntN(len(s.products))]
		return fmt.Sprint("/products/", id), fmt.Sprintf(`{"id":%d,`, id)
	}},
	{"page", 20, func(s *shop, r *rand.Rand) (string, string) {
		return "/products?sort=price&after=" + url.QueryEscape(s.cursors[r.IntN(len(s.cursors))]), `"next":"`
	}},
	{"order", 10, func(s *shop, r *rand.Rand) (string, string) {
		id := s.orders[r.IntN(len(s.orders))]
		return fmt.Sprint("/orders/", id), fmt.Sprintf(`{"id":%d,`, id)
	}},
	{"search", 10, func(_ *shop, r *rand.Rand) (string, string) {
		words := []string{"large", "small", "light", "plain"}
		return fmt.Sprintf("/search?words=%s+%s+lamp", words[r.IntN(2)], words[2+r.IntN(2)]), `"facets":[{"id":`
	}},
}

// look finds out what there is to ask for: it turns over pages, and places some orders.
func look(address, only string) (*shop, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	s := &shop{host: at.Host}
	for _, k := range kinds {
		if only == "" || only == k.name {
			for range k.share {
				s.mix = append(s.mix, k)
			}
		}
	}
	if len(s.mix) == 0 {
		return nil, fmt.Errorf("-only %s is no kind of request", only)
	}
	u, err := s.user(1 << 32)
	if err != nil {
		return nil, err
	}
	defer u.conn.Close()
	var page struct {
		Items []struct{ ID int64 }
		Next  string
	}
	for path := "/products?sort=price&size=20"; len(s.products) < 2000; path = "/products?sort=price&after=" + url.QueryEscape(page.Next) {
		page.Items, page.Next = nil, ""
		if err := u.into(&page, "GET", path, ""); err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			s.products = append(s.products, item.ID)
		}
		if page.Next == "" {
			break
		}
		s.cursors = append(s.cursors, page.Next)
	}
	if len(s.cursors) < 2 {
		return nil, fmt.Errorf("there are only %d products: fill the shop", len(s.products))
	}
	s.cursors = s.cursors[:len(s.cursors)-1] // so that each page has a next one
	for range 50 {
		var order struct{ ID int64 }
		a, b := s.products[u.random.IntN(len(s.products)/2)], s.products[len(s.products)/2+u.random.IntN(len(s.products)/2)]
		body := fmt.Sprintf(`{"customer":"load","lines":[{"product_id":%d,"quantity":1},{"product_id":%d,"quantity":2}]}`, a, b)
		if err := u.into(&order, "POST", "/orders", body); err != nil {
			return nil, err
		}
		s.orders = append(s.orders, order.ID)
	}
	return s, nil
}

// user sends requests on one connection.
type user struct {
	shop   *shop
	conn   net.Conn
	out    *bufio.Writer
	in     *bufio.Reader
	body   bytes.Buffer
	random *rand.Rand
	seen   map[string]*tally
	failed error // the first
}

// user connects a user.
func (s *shop) user(number uint64) (*user, error) {
	conn, err := net.DialTimeout("tcp", s.host, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &user{
		shop: s, conn: conn, out: bufio.NewWriter(conn), in: bufio.NewReader(conn),
		random: rand.New(rand.NewPCG(number, uint64(time.Now().UnixNano()))), seen: map[string]*tally{},
	}, nil
}

// work sends requests until the end, and counts those that were sent after the beginning.
func (u *user) work(begin, end time.Time) {
	for n := 0; ; n++ {
		k := u.shop.mix[u.random.IntN(len(u.shop.mix))]
		path, part := k.next(u.shop, u.random)
		sent := time.Now()
		if sent.After(end) {
			return
		}
		err := u.ask(http.StatusOK, "GET", path, "")
		took := time.Since(sent)
		if err == nil {
			err = u.check(path, part, n%100 == 0)
		}
		if sent.Before(begin) && err == nil {
			continue
		}
		t := u.seen[k.name]
		if t == nil {
			t = &tally{}
			u.seen[k.name] = t
		}
		t.times = append(t.times, took)
		if err != nil {
			t.errors++
			u.failed = err
			return // what is on the connection now is not known
		}
	}
}

// check compares an answer with what was asked for. To decode each of them would take as much
// of the machine as the shop does.
func (u *user) check(path, part string, whole bool) error {
	if !bytes.Contains(u.body.Bytes(), []byte(part)) {
		return fmt.Errorf("GET %s: no %s in %s", path, part, u.body.String())
	}
	if whole && !json.Valid(u.body.Bytes()) {
		return fmt.Errorf("GET %s: no JSON: %s", path, u.body.String())
	}
	return nil
}

// into sends a request and decodes the answer.
func (u *user) into(v any, method, path, body string) error {
	status := http.StatusOK
	if method == "POST" {
		status = http.StatusCreated
	}
	if err := u.ask(status, method, path, body); err != nil {
		return err
	}
	return json.Unmarshal(u.body.Bytes(), v)
}

// ask sends a request of one of ten thousand clients and reads the answer. The client of package
// net/http would need more of the machine than that.
func (u *user) ask(status int, method, path, body string) error {
	fmt.Fprintf(u.out, "%s %s HTTP/1.1\r\nHost: shop\r\nX-Tenant: 1\r\nX-Client: c%d\r\n", method, path, u.random.IntN(10_000))
	if body != "" {
		fmt.Fprintf(u.out, "Idempotency-Key: load %x\r\nContent-Length: %d\r\n", u.random.Uint64(), len(body))
	}
	fmt.Fprintf(u.out, "\r\n%s", body)
	if err := u.out.Flush(); err != nil {
		return err
	}
	answer, err := http.ReadResponse(u.in, nil)
	if err != nil {
		return err
	}
	u.body.Reset()
	if _, err := io.Copy(&u.body, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != status {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, strings.TrimSpace(u.body.String()))
	}
	return nil
}
