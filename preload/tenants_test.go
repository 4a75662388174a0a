package preload_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Cards are in trees, and joined by ties. A third of each is of tenant 2, and rows of
// each tenant refer to rows of the other, which no foreign key forbids.
var boardSchema = testdb.SQL("boards", `
	CREATE TABLE cards (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, parent_id bigint, weight integer NOT NULL);
	CREATE TABLE ties (origin bigint, target bigint, tenant_id bigint NOT NULL, PRIMARY KEY (origin, target));
	INSERT INTO cards SELECT i, 1 + (i % 3 = 0)::int, CASE WHEN i > 2 THEN i / 2 END, i % 7 FROM generate_series(1, 40) AS i;
	INSERT INTO ties SELECT a, b, 1 + (a % 4 = 0)::int FROM generate_series(1, 20) AS a, generate_series(1, 20) AS b WHERE b > a AND (b - a) % 3 < 2;`)

type (
	card struct {
		ID, TenantID int64
		ParentID     *int64
		Weight       int32
	}
	tie struct{ Origin, Target, TenantID int64 }
	// cardView has all that leads from a card.
	cardView struct {
		Card                            card
		Parent                          *cardOnly
		Children, First, Targets, Under []card
		Nested                          []cardView
		Number, Reached                 int64
		Any, AnyTarget                  bool
	}
	cardOnly struct{ ID, TenantID int64 }
)

var (
	cards = query.NewTable("cards", func(c *card) *int64 { return &c.ID }, query.KeyByClient[card](),
		query.Tenant(func(c *card) *int64 { return &c.TenantID }))
	ties = query.NewCompositeTable("ties", query.Key[tie, linkKey]{
		query.Part(func(l *tie) *int64 { return &l.Origin }, func(k *linkKey) *int64 { return &k.Origin }),
		query.Part(func(l *tie) *int64 { return &l.Target }, func(k *linkKey) *int64 { return &k.Target }),
	}, query.Tenant(func(l *tie) *int64 { return &l.TenantID }))

	cardID     = query.Col(func(c *card) *int64 { return &c.ID })
	cardWeight = query.Col(func(c *card) *int32 { return &c.Weight })

	cardParent   = preload.BelongsTo(cards, cards, func(c *card) **int64 { return &c.ParentID })
	cardChildren = preload.HasMany(cards, cards, func(c *card) **int64 { return &c.ParentID })
	cardTargets  = preload.ManyToMany(cards, ties, cards, func(l *tie) *int64 { return &l.Origin }, func(l *tie) *int64 { return &l.Target })
	cardUnder    = preload.Recursive(cardChildren, 10)
	cardReached  = preload.Recursive(cardTargets, 10)
)

// cardLoads are loads in each form of statement, and cardQueries conditions and
// orders.
var (
	cardLoads = map[string]preload.Load[cardView]{
		"parent":    preload.One(cardParent, func(v *cardView) **cardOnly { return &v.Parent }),
		"children":  preload.Many(cardChildren, func(v *cardView) *[]card { return &v.Children }),
		"joined":    preload.Many(cardChildren.Joined(), func(v *cardView) *[]card { return &v.Children }),
		"limited":   preload.Many(cardChildren.OrderBy(cardID.Asc()).Limit(1), func(v *cardView) *[]card { return &v.First }),
		"targets":   preload.Many(cardTargets, func(v *cardView) *[]card { return &v.Targets }),
		"joined to": preload.Many(cardTargets.Joined(), func(v *cardView) *[]card { return &v.Targets }),
		"few":       preload.Many(cardTargets.OrderBy(cardID.Asc()).Limit(2), func(v *cardView) *[]card { return &v.Targets }),
		"under":     preload.Many(cardUnder, func(v *cardView) *[]card { return &v.Under }),
		"count":     preload.Count(cardTargets, func(v *cardView) *int64 { return &v.Number }),
		"count one": preload.Count(cardChildren, func(v *cardView) *int64 { return &v.Number }),
		"reached":   preload.Count(cardReached, func(v *cardView) *int64 { return &v.Reached }),
		"any":       preload.Exists(cardChildren, func(v *cardView) *bool { return &v.Any }),
		"any to":    preload.Exists(cardTargets, func(v *cardView) *bool { return &v.AnyTarget }),
		"nested": preload.Many(cardChildren, func(v *cardView) *[]cardView { return &v.Nested },
			preload.Many(cardTargets, func(v *cardView) *[]card { return &v.Targets })),
	}
	cardQueries = map[string]query.Query[card]{
		"has":        query.Where(cardChildren.Has(cardWeight.Gt(3))),
		"has none":   query.Where(query.Not(cardTargets.Has(cardWeight.Gt(5)))),
		"has under":  query.Where(cardUnder.Has(cardWeight.Eq(5))),
		"reaches":    query.Where(cardReached.Has(cardWeight.Eq(2))),
		"at least":   query.Where(cardTargets.Count().Ge(4)),
		"reaching":   query.Where(cardReached.Count().Ge(9)),
		"below":      query.Where(preload.Value(cardParent, cardWeight).Gt(2)),
		"heavy":      query.Where(preload.Aggregate(cardChildren, query.Max(cardWeight)).Gt(4)),
		"in a query": query.Where(query.InSelect(cardWeight, cards, cardWeight, query.Where(cardID.Le(4)).OrderBy(cardID.Asc()).Limit(3))),
	}
)

// seenBy is what each load and each query returns under ctx.
func seenBy(ctx context.Context, t *testing.T, db smrt.DB) map[string]string {
	t.Helper()
	seen := map[string]string{}
	views := repo.View(repo.New(db, cards), func(v *cardView) *card { return &v.Card })
	for name, load := range cardLoads {
		vs := check.Value(views.Find(ctx, query.All[card]().OrderBy(cardID.Asc()), load))(t)
		seen["load of "+name] = string(check.Value(json.Marshal(vs))(t))
		v := check.Value(views.Get(ctx, 1, load))(t)
		seen["load of "+name] += string(check.Value(json.Marshal(v))(t))
	}
	for name, q := range cardQueries {
		vs := check.Value(repo.New(db, cards).Find(ctx, q.OrderBy(cardID.Asc())))(t)
		seen[name] = fmt.Sprint(len(vs), string(check.Value(json.Marshal(vs))(t)))
	}
	return seen
}

// TestRelationsKeepTenants loads relations in each form, on a pool and in a
// transaction, and asks for conditions on related rows. What a tenant sees is what
// all see once the rows of the other are gone, and another thing before.
func TestRelationsKeepTenants(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, boardSchema)
	mine, everybody := smrt.WithTenant(t.Context(), int64(1)), plan.Anybody(t.Context())
	got, all := seenBy(mine, t, pool), seenBy(everybody, t, pool)
	tx := check.Value(pool.Begin(t.Context()))(t)
	inTx := seenBy(mine, t, tx)
	check.NoError(t, tx.Rollback(t.Context()))
	views := repo.View(repo.New(pool, cards), func(v *cardView) *card { return &v.Card })
	for name, load := range cardLoads {
		_, err := views.Find(t.Context(), query.All[card](), load)
		check.Error(t, name+" without a tenant", err, smrt.ErrNoTenant)
		vs := []cardView{{Card: card{ID: 1, ParentID: new(int64)}}}
		check.Error(t, name+" without a tenant", preload.Fill(t.Context(), pool, vs, load), smrt.ErrNoTenant)
	}
	for _, table := range []string{"cards", "ties"} {
		check.Value(pool.Exec(t.Context(), "DELETE FROM "+table+" WHERE tenant_id <> 1"))(t)
	}
	for name, want := range seenBy(everybody, t, pool) {
		if got[name] != want {
			t.Errorf("%s\n  got %s\n want %s", name, got[name], want)
		}
		check.Same(t, name+" in a transaction", inTx[name], want)
		if all[name] == want {
			t.Errorf("%s: the rows of another tenant make no difference: the test proves nothing", name)
		}
	}
}

// TestRelationsTieTenants refuses relations that tie the tenant of one row to
// another column.
func TestRelationsTieTenants(t *testing.T) {
	t.Parallel()
	type (
		part    struct{ TenantID, ID, BoxID, Other int64 }
		partKey struct{ TenantID, ID int64 }
	)
	parts := query.NewCompositeTable("parts", query.Key[part, partKey]{
		query.Part(func(p *part) *int64 { return &p.TenantID }, func(k *partKey) *int64 { return &k.TenantID }),
		query.Part(func(p *part) *int64 { return &p.ID }, func(k *partKey) *int64 { return &k.ID }),
	}, query.Tenant(func(p *part) *int64 { return &p.TenantID }))
	refer := func(tenant func(*part) *int64) query.Key[part, partKey] {
		return query.Key[part, partKey]{
			query.Part(tenant, func(k *partKey) *int64 { return &k.TenantID }),
			query.Part(func(p *part) *int64 { return &p.BoxID }, func(k *partKey) *int64 { return &k.ID }),
		}
	}
	preload.HasMany(parts, parts, refer(func(p *part) *int64 { return &p.TenantID }))
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "must be tied by both columns, tenant_id and tenant_id") {
			t.Error(text)
		}
	}()
	preload.HasMany(parts, parts, refer(func(p *part) *int64 { return &p.Other }))
}
