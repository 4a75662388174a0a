package observe_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// secret is a value of the program, which no page may show.
const secret = "4111-secret-1111"

// quietly logs nothing.
var quietly = slog.New(slog.DiscardHandler)

// handler makes the page of an observer.
func handler(t testing.TB, o *observe.Observer, c observe.PageConfig) http.Handler {
	t.Helper()
	return check.Value(observe.Handler(o, c))(t)
}

// local is a request of a user of this machine.
func local(target string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://localhost:8080"+target, nil)
	r.RemoteAddr = "127.0.0.1:50000"
	return r
}

// get returns what a handler answers.
func get(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// trade makes a shop work, in as many rounds as there are, so that each kind of thing
// is on its page.
func trade(ctx context.Context, t testing.TB, db *pool.Pool, rounds int) {
	t.Helper()
	categories, products := repo.New(db, shop.Categories, alone), repo.New(db, shop.Products, alone)
	var shelf []shop.Product
	for i := range 8 {
		c := category(fmt.Sprint("category-", i))
		check.NoError(t, categories.Create(ctx, &c))
		shelf = append(shelf, product(c, fmt.Sprint("sku-", i)))
	}
	check.NoError(t, products.CreateMany(ctx, shelf))
	queries := shopdb.New(db)
	for i := range rounds {
		for range 1 + i%5 {
			check.Value(products.Get(ctx, shelf[i%len(shelf)].ID))(t)
		}
		check.Value(products.Find(ctx, query.Where(shop.Price.Lt(500)).OrderBy(shop.Price.Asc()).Limit(20)))(t)
		if i%3 == 0 {
			check.NoError(t, products.Patch(ctx, shelf[i%len(shelf)].ID, shop.Price.Set(int64(100+i))))
			check.Value(queries.CategoryTree(ctx, nil))(t)
		}
		if i%4 == 0 {
			again := category("category-1")
			check.Error(t, "a second category of a name", categories.Create(ctx, &again), smrt.ErrConflict)
			check.NoError(t, txn.Run(ctx, db, func(ctx context.Context, tx pgx.Tx) error {
				return products.With(tx).Patch(ctx, shelf[0].ID, shop.Price.Set(int64(i)))
			}))
		}
		if _, err := db.Exec(ctx, "SELECT '"+secret+"'::text, length($1) /* "+secret+" */", secret); err != nil {
			t.Fatal(err)
		}
	}
	request := observe.WithScope(ctx, observe.Options{Policy: observe.Ignore, MaxCalls: 7})
	for _, p := range shelf {
		check.Value(categories.Get(request, p.CategoryID))(t)
	}
	if _, err := db.Exec(ctx, "SELECT pg_sleep(0.03), $1::text, '"+secret+"'", secret); err != nil {
		t.Fatal(err)
	}
}

// tradedShop is the page of a shop that has been working.
func tradedShop(t testing.TB, rounds int) (http.Handler, *observe.Observer, *pool.Pool) {
	t.Helper()
	o, _, p := observedPool(t, observe.Config{Slow: observe.SlowLog{Threshold: 25 * time.Millisecond, Sites: true}, Logger: quietly}, 3)
	trade(t.Context(), t, p, rounds)
	return handler(t, o, observe.PageConfig{Title: "shop", Handles: map[string]smrt.DB{"main": p}, Server: p}), o, p
}

// TestPageInBrowser: the page is readable on a phone and on a desktop, light and dark,
// with scripts and without, and a browser has nothing to complain of. With
// SMRT_PAGE_PICTURES it draws the pictures of a directory.
func TestPageInBrowser(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	directory := os.Getenv("SMRT_PAGE_PICTURES")
	page := http.Handler(nil)
	if directory != "" {
		page = replicatedShop(t)
	} else {
		page, _, _ = tradedShop(t, 10)
	}
	server := httptest.NewServer(page)
	t.Cleanup(server.Close)
	pictures := map[string][]byte{}
	for _, width := range []int{390, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			b.open(server.URL, width, scheme)
			var wide int
			b.eval("document.documentElement.scrollWidth", &wide)
			check.Same(t, fmt.Sprintf("the width of the page on a screen of %d", width), wide, width)
			b.eval("document.querySelectorAll('details').forEach(d => { d.open = true }), document.documentElement.scrollWidth", &wide)
			check.Same(t, fmt.Sprintf("the same with all entries open on a screen of %d", width), wide, width)
			var faint []string
			b.eval(faintTexts, &faint)
			check.Equal(t, "texts with too little contrast, "+scheme, faint, []string{})
			b.eval("document.querySelectorAll('details').forEach(d => { d.open = false }), 0", &wide)
			name := fmt.Sprintf("page-%s-%s", map[int]string{390: "phone", 1280: "desktop"}[width], scheme)
			pictures[name] = b.shot(map[int]int{390: 900, 1280: 1500}[width])
		}
	}
	for _, kind := range []string{"phone", "desktop"} {
		if bytes.Equal(pictures["page-"+kind+"-light"], pictures["page-"+kind+"-dark"]) {
			t.Errorf("the page of a %s is the same in the light and in the dark", kind)
		}
	}
	b.checkText(t)
	b.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	b.open(server.URL+"?by=calls", 1280, "light")
	b.checkText(t)
	for _, complaint := range b.complaints() {
		t.Errorf("the browser complains: %s", complaint)
	}
	for name, picture := range pictures {
		if directory != "" {
			check.NoError(t, os.WriteFile(filepath.Join(directory, name+".png"), inFewColors(t, picture), 0o644))
		}
	}
}

// inFewColors returns a picture with 256 of its colours, which is a third as large: the
// most frequent ones, and those that are like none of these.
func inFewColors(t *testing.T, picture []byte) []byte {
	t.Helper()
	full := check.Value(png.Decode(bytes.NewReader(picture)))(t)
	size, counts := full.Bounds(), map[color.Color]int{}
	for y := range size.Dy() {
		for x := range size.Dx() {
			counts[full.At(x, y)]++
		}
	}
	palette := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return counts[b] - counts[a] })
	few := image.NewPaletted(size, palette[:min(len(palette), 200)])
	away := func(c color.Color) int {
		r, g, b, _ := c.RGBA()
		x, y, z, _ := few.Palette.Convert(c).RGBA()
		return abs(int(r)-int(x)) + abs(int(g)-int(y)) + abs(int(b)-int(z))
	}
	for len(few.Palette) < min(len(palette), 256) {
		few.Palette = append(few.Palette, slices.MaxFunc(palette, func(a, b color.Color) int { return away(a) - away(b) }))
	}
	nearest := map[color.Color]uint8{}
	for c := range counts {
		nearest[c] = uint8(few.Palette.Index(c))
	}
	for y := range size.Dy() {
		for x := range size.Dx() {
			few.SetColorIndex(x, y, nearest[full.At(x, y)])
		}
	}
	var b bytes.Buffer
	check.NoError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, few))
	return b.Bytes()
}

func abs(n int) int { return max(n, -n) }

// checkText looks for what a reader must find, and for what only assistive technology
// does.
func (b *browser) checkText(t *testing.T) {
	t.Helper()
	var text string
	b.eval("document.body.innerText", &text)
	for _, want := range []string{"products.get", "CategoryTree", "raw", "Pools", "main", "shapes", "Findings", "loop", "budget"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	for what, selector := range map[string]string{
		"heads of tables without a scope":                     "th:not([scope])",
		"tables without a caption":                            "table:not(:has(caption))",
		"rows without a head":                                 "tbody tr:not(:has(th[scope=row]))",
		"sections without a label":                            "section:not([aria-labelledby])",
		"charts without a text":                               "svg:not([aria-hidden]):not([aria-label]):not(svg svg)",
		"what scrolls and has no label or focus":              ".scroll:not([tabindex][role=region])",
		"scripts":                                             "script, [onclick], [onload]",
		"styles of single elements, which the policy forbids": "[style]",
	} {
		var n int
		if b.eval(fmt.Sprintf("document.querySelectorAll(%q).length", selector), &n); n > 0 {
			t.Errorf("%d %s", n, what)
		}
	}
	var ground, size string
	b.eval("getComputedStyle(document.body).backgroundColor", &ground)
	if b.eval("getComputedStyle(document.querySelector('.name')).fontWeight", &size); ground == "rgba(0, 0, 0, 0)" || size != "600" {
		t.Errorf("the style is not applied: ground %s, weight of names %s", ground, size)
	}
}

// faintTexts returns the texts whose contrast to what is behind them is less than 4.5,
// which is what WCAG 2 wants of small text at level AA.
const faintTexts = `(() => {
	const parse = text => (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
	const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
		.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] !== 0) return c; } };
	const faint = [];
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const text = walk.currentNode.textContent.trim(), e = walk.currentNode.parentElement, style = getComputedStyle(e);
		if (!text || e.closest("style, title")) continue;
		const a = light(parse(e.closest("svg") ? style.fill : style.color)), b = light(behind(e.closest("svg") ? e.closest("figure, section") : e));
		const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (contrast < 4.5) faint.push(text.slice(0, 30) + " " + contrast.toFixed(2));
	}
	return faint;
})()`

// replicatedShop is the page of a shop with a standby and a statement that waits for a
// lock, which is drawn for the guide.
func replicatedShop(t testing.TB) http.Handler {
	t.Helper()
	ctx := t.Context()
	primary := testdb.Primary(t, testdb.Config{})
	standby := check.Value(primary.Standby(ctx, testdb.StandbyConfig{}))(t)
	check.NoError(t, shop.Migrate(ctx, primary.DSN("postgres")))
	o := newObserver(t, observe.Config{Slow: observe.SlowLog{Threshold: 25 * time.Millisecond}, Logger: quietly})
	settings := pool.Config{Profile: pool.Test, MaxConns: 6, ApplicationName: "shop", Configure: o.Configure}
	router := check.Value(readreplica.Open(ctx, readreplica.Config{
		Servers: []readreplica.Server{{URL: primary.DSN("postgres")}, {URL: standby.DSN("postgres")}}, Pool: settings,
	}))(t)
	t.Cleanup(router.Close)
	settings.URL = primary.DSN("postgres")
	p := check.Value(pool.Open(ctx, settings))(t)
	t.Cleanup(p.Close)
	trade(ctx, t, p, 400)
	var readers []smrt.DB
	for range 6 {
		readers = append(readers, router)
	}
	for i := range 300 {
		check.Value(repo.New(readers[i%6], shop.Products, alone).Find(ctx, query.Where(shop.Price.Lt(500)).Limit(20)))(t)
	}
	blocker := check.Value(p.Begin(ctx))(t)
	const lock = "UPDATE categories SET position = position + 1 WHERE slug = 'category-1'"
	_ = check.Value(blocker.Exec(ctx, lock))(t)
	done := make(chan error)
	go func() {
		_, err := p.Exec(ctx, "-- name: MoveCategory :exec\n"+lock)
		done <- err
	}()
	t.Cleanup(func() {
		_ = blocker.Rollback(context.WithoutCancel(ctx))
		<-done
	})
	time.Sleep(500 * time.Millisecond)
	return handler(t, o, observe.PageConfig{Title: "shop", Handles: map[string]smrt.DB{"main": p, "replicated": router}, Server: p})
}
