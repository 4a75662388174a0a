package otelsmrt_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	otelsmrt "github.com/smrt-go/smrt/contrib/otel"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/rowsecurity"
)

// TestSpansOnABoundHandle are those of the pool: nothing of them is of the setting that
// travels with each statement.
func TestSpansOnABoundHandle(t *testing.T) {
	t.Parallel()
	ctx := smrt.WithTenant(t.Context(), 1)
	b := newBackend()
	observed := observe.Config{Hooks: []observe.Hook{b.hook(t, otelsmrt.Config{})}}
	plain := open(t, observed, 1)
	cfg := plain.Config()
	role := "spans_" + strings.ReplaceAll(strings.ToLower(cfg.ConnConfig.Database), "-", "_")
	check.Value(plain.Exec(ctx, `CREATE ROLE "`+role+`" NOSUPERUSER NOBYPASSRLS; GRANT ALL ON categories TO "`+role+`";
		CREATE POLICY own ON categories USING (current_setting('app.tenant', true) = '1')`))(t)
	t.Cleanup(func() {
		_, err := plain.Exec(context.WithoutCancel(ctx), `DROP OWNED BY "`+role+`"; DROP ROLE "`+role+`"`)
		check.NoError(t, err)
	})
	below := check.Value(pool.Open(ctx, pool.Config{
		URL: cfg.ConnString(), Profile: pool.Test, MaxConns: 1,
		Configure: func(c *pgxpool.Config) {
			c.ConnConfig.DefaultQueryExecMode = cfg.ConnConfig.DefaultQueryExecMode
			c.ConnConfig.RuntimeParams["role"] = role
			check.Value(observe.New(observed))(t).Configure(c)
		},
	}))(t)
	t.Cleanup(below.Close)
	bound := check.Value(rowsecurity.Bind(below, rowsecurity.Options{Setting: "app.tenant"}))(t)
	check.NoError(t, bound.Check(ctx))
	spans := func(db smrt.Pool) (out []string) {
		send := func() {
			_, _ = repo.New(db, shop.Categories, alone).Get(ctx, 1) // which is not there
			_, _ = db.Exec(ctx, "SELECT 1 / $1::int", 0)
			var many pgx.Batch
			many.Queue("SELECT 1")
			many.Queue("SELECT $1::text", "x")
			check.NoError(t, db.SendBatch(ctx, &many).Close())
		}
		send() // what is asked of the catalog
		b.take()
		send()
		for _, s := range b.take() {
			out = append(out, s.Name+" "+listed(s.Attributes))
		}
		return out
	}
	want := spans(plain)
	check.Same(t, "spans", len(want), 3)
	check.Equal(t, "spans on the bound handle", spans(bound), want)
}
