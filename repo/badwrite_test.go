package repo_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// vacuous are predicates that hold for every row.
func vacuous() map[string]query.Query[shop.Product] {
	none := []query.Predicate[shop.Product]{}
	return map[string]query.Query[shop.Product]{
		"zero query":          {},
		"All":                 query.All[shop.Product](),
		"Where()":             query.Where[shop.Product](),
		"And()":               query.Where(query.And(none...)),
		"Not(Or())":           query.Where(query.Not(query.Or(none...))),
		"NotIn()":             query.Where(shop.ProductID.NotIn()),
		"Contains nothing":    query.Where(shop.ProductName.Contains("")),
		"Or of one vacuous":   query.Where(query.Or(shop.Price.Eq(1), shop.SKU.HasPrefix(""))),
		"And(NotIn(), And())": query.Where(query.And(shop.ProductID.NotIn(), query.And(none...))),
	}
}

func TestUnboundedWritesAreRefused(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	for name, q := range vacuous() {
		_, err := s.products.DeleteWhere(ctx, q)
		check.Error(t, "DeleteWhere "+name, err, smrt.ErrUnboundedWrite)
		_, err = s.products.HardDeleteWhere(ctx, q)
		check.Error(t, "HardDeleteWhere "+name, err, smrt.ErrUnboundedWrite)
		_, err = s.products.UpdateWhere(ctx, q, shop.Price.Set(0))
		check.Error(t, "UpdateWhere "+name, err, smrt.ErrUnboundedWrite)
	}
	if n := s.sent.Len(); n > 0 {
		t.Errorf("%d statements sent", n)
	}
}

func TestEmptyListsSendNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	none := query.Where(shop.ProductID.In())
	found, err := s.products.Find(ctx, none)
	if err != nil || found == nil || len(found) != 0 {
		t.Error(found, err)
	}
	n, err := s.products.Count(ctx, none)
	check.NoError(t, err)
	deleted, err := s.products.DeleteWhere(ctx, none)
	check.NoError(t, err)
	removed, err := s.products.DeleteMany(ctx, nil)
	check.NoError(t, err)
	many, err := s.products.GetMany(ctx, nil)
	check.NoError(t, err)
	check.NoError(t, s.products.CreateMany(ctx, nil))
	_, err = s.products.First(ctx, none)
	check.Error(t, "First", err, smrt.ErrNotFound)
	if n+deleted+removed != 0 || len(many) != 0 || s.sent.Len() != 0 {
		t.Error(n, deleted, removed, many, s.sent.Statements())
	}
}

func TestLikeIsLiteral(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	names := []string{`100% a_b c\d`, "100x aab cxd"}
	for _, name := range names {
		p := s.newProduct("sku" + name)
		p.Name = name
		check.NoError(t, s.products.Create(ctx, &p))
	}
	for _, p := range []query.Predicate[shop.Product]{
		shop.ProductName.Contains("0% a"), shop.ProductName.Contains("a_b"), shop.ProductName.Contains(`c\d`),
		shop.ProductName.HasPrefix("100%"), shop.ProductName.HasSuffix(`\d`), shop.ProductName.ContainsFold("A_B"),
	} {
		found, err := s.products.Find(ctx, query.Where(p))
		check.NoError(t, err)
		if len(found) != 1 || found[0].Name != names[0] {
			t.Errorf("found %v", found)
		}
	}
}

func TestErrorsFromTheServer(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	verify := func(what string, err, sentinel error, constraint string, columns []string, d smrt.Direction) {
		t.Helper()
		var c *smrt.ConstraintError
		var pg *pgconn.PgError
		if !errors.Is(err, sentinel) || !errors.As(err, &c) || !errors.As(err, &pg) {
			t.Errorf("%s: %v", what, err)
			return
		}
		if c.Constraint != constraint || !slices.Equal(c.Columns, columns) || c.Direction != d {
			t.Errorf("%s: %+v", what, c)
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s quotes a value: %v", what, err)
		}
	}
	p := s.newProduct(secret)
	check.NoError(t, s.products.Create(ctx, &p))
	again := s.newProduct(secret)
	verify("create", s.products.Create(ctx, &again), smrt.ErrConflict, "products_sku_key", []string{"sku"}, 0)
	verify("create many", s.products.CreateMany(ctx, []shop.Product{s.newProduct("a"), again}), smrt.ErrConflict, "products_sku_key", []string{"sku"}, 0)
	verify("patch", s.products.Patch(ctx, s.product.ID, shop.SKU.Set(secret)), smrt.ErrConflict, "products_sku_key", []string{"sku"}, 0)
	again.CategoryID, again.SKU = 424242, secret+"2"
	verify("parent", s.products.Create(ctx, &again), smrt.ErrForeignKey, "products_category_id_fkey", []string{"category_id"}, smrt.MissingParent)
	verify("parents", s.products.CreateMany(ctx, []shop.Product{again}), smrt.ErrForeignKey, "products_category_id_fkey", []string{"category_id"}, smrt.MissingParent)
	verify("child", repo.New(s.pool, shop.Categories).Delete(ctx, s.category.ID), smrt.ErrForeignKey, "products_category_id_fkey", []string{"category_id"}, smrt.StillReferenced)
	verify("check", s.products.WithoutRules().Patch(ctx, s.product.ID, shop.Price.Set(-1)), smrt.ErrCheck, "products_price_cents_check", []string{"price_cents"}, 0)
}

func TestDuplicatesInOneCall(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	verify := func(what string, err error) {
		t.Helper()
		var d *smrt.DuplicateError
		if !errors.Is(err, smrt.ErrDuplicateInBatch) || !errors.As(err, &d) || d.Rows != [2]int{1, 3} || d.Table != "products" {
			t.Errorf("%s: %v", what, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s quotes a value: %v", what, err)
		}
	}
	ps := []shop.Product{s.newProduct("a"), s.newProduct(secret), s.newProduct("c"), s.newProduct(secret)}
	_, err := s.products.UpsertMany(ctx, ps, query.OnConflict(shop.SKU).Where("deleted_at IS NULL"))
	verify("upsert", err)
	for i := range ps {
		ps[i].ID = []int64{11, 12, 13, 12}[i]
	}
	_, err = s.products.UpdateMany(ctx, ps)
	verify("update", err)
	if s.sent.Len() > 0 {
		t.Errorf("sent %q", s.sent.Statements())
	}
}

func TestTwoHundredThousand(t *testing.T) {
	t.Parallel()
	n := 70_000 // more than a statement can have parameters
	if check.Long() {
		n = 200_000
	}
	s := newStore(t)
	ctx := t.Context()
	s.makeRatios(t)
	rs := s.ratios()
	rows := make([]ratio, n)
	for i := range rows {
		rows[i].Count = int64(i)
	}
	check.NoError(t, rs.CreateMany(ctx, rows))
	ids := make([]int64, n)
	for i := range rows {
		if ids[i] = rows[i].ID; rows[i].ID != rows[0].ID+int64(i) {
			t.Fatalf("row %d has id %d, the first has %d", i, rows[i].ID, rows[0].ID)
		}
	}
	texts := map[string]bool{}
	sent := func(what string) {
		t.Helper()
		if s.sent.Len() > 3 {
			t.Errorf("%s sent %d statements", what, s.sent.Len())
		}
		for _, text := range s.sent.Statements() {
			texts[text] = true
		}
		s.sent.Reset()
	}
	s.sent.Reset()
	many, err := rs.GetMany(ctx, ids)
	check.NoError(t, err)
	sent("GetMany")
	for i, r := range many {
		if r == nil || r.Count != int64(i) {
			t.Fatalf("row %d is %v", i, r)
		}
	}
	for _, fewer := range []int{n / 2, 1000, 3} {
		_, err = rs.GetMany(ctx, ids[:fewer])
		check.NoError(t, err)
		sent("GetMany of fewer")
	}
	for i := range rows {
		rows[i].Count++
	}
	updated, err := rs.UpdateMany(ctx, rows)
	check.NoError(t, err)
	s.sent.Reset()
	id := query.Col(func(r *ratio) *int64 { return &r.ID })
	_, err = rs.Count(ctx, query.Where(id.In(ids[:5]...), ratioCount.Gt(0)))
	check.NoError(t, err)
	found, err := rs.Count(ctx, query.Where(id.In(ids...), ratioCount.Gt(0)))
	check.NoError(t, err)
	sent("Count")
	deleted, err := rs.DeleteMany(ctx, ids)
	check.NoError(t, err)
	sent("DeleteMany")
	if len(texts) > 5 { // that a connection keeps prepared
		t.Errorf("%d texts, whatever the number of keys: %q", len(texts), slices.Collect(maps.Keys(texts)))
	}
	if int(updated) != n || int(found) != n || int(deleted) != n {
		t.Errorf("%d updated, %d found, %d deleted, want %d", updated, found, deleted, n)
	}
}
