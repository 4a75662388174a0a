package observe_test

import (
	"bytes"
	"context"
	"regexp"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// profiled is a text that notes the labels of goroutines when it is decoded.
type profiled string

var profile string

func (p *profiled) Scan(v any) error {
	profile = labels()
	*p = profiled(v.(string))
	return nil
}

// labels returns those of all goroutines that have the label of this test.
func labels() string {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
	return strings.Join(regexp.MustCompile(`# labels: .*"request":"TestLabels".*`).FindAllString(b.String(), -1), "\n")
}

// TestLabels: a goroutine has the name of its call as a label while that runs, and
// before and after it those of the program.
func TestLabels(t *testing.T) {
	type Row struct {
		ID   int64
		Slug profiled
	}
	for _, on := range []bool{true, false} {
		_, _, p := observedPool(t, observe.Config{Labels: on}, 1)
		c := category("c")
		check.NoError(t, repo.New(p, shop.Categories).Create(t.Context(), &c))
		rows := repo.New(p, query.NewTable("categories", func(r *Row) *int64 { return &r.ID }), alone)
		pprof.Do(t.Context(), pprof.Labels("request", "TestLabels"), func(ctx context.Context) {
			_, err := rows.Get(ctx, c.ID)
			check.NoError(t, err)
			check.Same(t, "label in the call", strings.Contains(profile, `"smrt":"categories.get"`), on)
			check.Same(t, "label of the program in the call", strings.Contains(profile, "TestLabels"), true)
			check.Same(t, "label after the call", strings.Contains(labels(), `"smrt"`), false)
			check.Same(t, "label of the program after the call", strings.Contains(labels(), "TestLabels"), true)
		})
	}
}

var site = regexp.MustCompile(`site="[^"]*label_test.go:\d+ observe_test.TestSlowLogHasSites"`)

// TestSlowLogHasSites on request.
func TestSlowLogHasSites(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		log := &notes{}
		_, _, p := observedPool(t, observe.Config{Slow: observe.SlowLog{Threshold: 1, Sites: on, PerSecond: 1000}, Logger: log.logger()}, 1)
		_, err := repo.New(p, shop.Categories, alone).Get(t.Context(), 1)
		check.Same(t, "no row", err != nil, true)
		check.Value(p.Exec(t.Context(), "SELECT 'by hand'"))(t)
		want := 0
		if on {
			want = 2
		}
		check.Same(t, "calls with a site", len(site.FindAllString(log.String(), -1)), want)
	}
}
