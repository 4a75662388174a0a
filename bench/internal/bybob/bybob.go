// Package bybob does the tasks with bob: queries of its builder, which its driver for pgx runs and its mappers read into
// structs. Models that bob generates run the same queries.
package bybob

import (
	"context"
	"time"

	"github.com/stephenafamo/bob"
	"github.com/stephenafamo/bob/dialect/psql"
	"github.com/stephenafamo/bob/dialect/psql/dialect"
	"github.com/stephenafamo/bob/dialect/psql/dm"
	"github.com/stephenafamo/bob/dialect/psql/im"
	"github.com/stephenafamo/bob/dialect/psql/sm"
	"github.com/stephenafamo/bob/dialect/psql/um"
	bobpgx "github.com/stephenafamo/bob/drivers/pgx"
	"github.com/stephenafamo/scan"

	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/task"
)

type shop struct{ db bobpgx.Pool }

// Open returns how it is done on a database.
func Open(ctx context.Context, database measure.Database) (*task.Ops, error) {
	pool, err := database.Pool(ctx)
	if err != nil {
		return nil, err
	}
	s := shop{bobpgx.NewPool(pool)}
	const none = "the relations of bob belong to models that it generates, and these are queries of its builder"
	return &task.Ops{
		Get: s.get, Find: s.find, Read: s.read, Create: s.create, CreateMany: s.createMany, UpsertMany: s.upsertMany,
		Patch: s.patch, UpdateMany: s.updateMany, DeleteMany: s.deleteMany, Place: s.place, Page: s.page, Offset: s.offset,
		Stream: s.stream, Report: s.report, Close: pool.Close,
		Cannot: map[string]string{"with-customer": none, "graph": none},
	}, nil
}

// Mappers know the fields of a struct, and are made once.
var (
	customerMapper = scan.StructMapper[model.Customer]()
	keyMapper      = scan.SingleColumnMapper[int64]
	groupMapper    = scan.StructMapper[model.Group]()
)

func customers(mods ...bob.Mod[*dialect.SelectQuery]) bob.Query {
	return psql.Select(append(mods, sm.Columns("id", "email", "name", "phone", "country", "tier", "born_on", "marketing_opt_in",
		"created_at", "updated_at"), sm.From("customers"))...)
}

func equal(column string, value any) bob.Mod[*dialect.SelectQuery] {
	return sm.Where(psql.Quote(column).EQ(psql.Arg(value)))
}

func (s shop) get(ctx context.Context, id int64) (any, error) {
	return bob.One(ctx, s.db, customers(equal("id", id)), customerMapper)
}

func (s shop) find(ctx context.Context, f model.Filter) (any, error) {
	mods := []bob.Mod[*dialect.SelectQuery]{
		sm.OrderBy("created_at").Desc(), sm.OrderBy("id").Desc(), sm.Limit(psql.Arg(model.PageSize)),
	}
	if f.Country != nil {
		mods = append(mods, equal("country", *f.Country))
	}
	if f.Tier != nil {
		mods = append(mods, equal("tier", *f.Tier))
	}
	if f.OptIn != nil {
		mods = append(mods, equal("marketing_opt_in", *f.OptIn))
	}
	return bob.All(ctx, s.db, customers(mods...), customerMapper)
}

func (s shop) read(ctx context.Context, n int) (any, error) {
	return bob.All(ctx, s.db, customers(sm.OrderBy("id"), sm.Limit(psql.Arg(n))), customerMapper)
}

func insert(cs []model.Customer, mods ...bob.Mod[*dialect.InsertQuery]) bob.Query {
	mods = append(mods, im.Into("customers", "email", "name", "phone", "country", "tier", "born_on", "marketing_opt_in", "created_at",
		"updated_at"), im.Returning("id"))
	for i := range cs {
		c := &cs[i]
		mods = append(mods, im.Values(psql.Arg(c.Email, c.Name, c.Phone, c.Country, c.Tier, c.BornOn, c.MarketingOptIn, c.CreatedAt,
			c.UpdatedAt)))
	}
	return psql.Insert(mods...)
}

func (s shop) create(ctx context.Context, c model.Customer) (int64, error) {
	return bob.One(ctx, s.db, insert([]model.Customer{c}), keyMapper)
}

func (s shop) createMany(ctx context.Context, cs []model.Customer) (any, error) {
	return cs, s.keys(ctx, cs, insert(cs))
}

func (s shop) upsertMany(ctx context.Context, cs []model.Customer) (any, error) {
	return cs, s.keys(ctx, cs, insert(cs, im.OnConflict("email").DoUpdate(
		im.SetExcluded("name", "phone", "country", "tier", "born_on", "marketing_opt_in", "created_at", "updated_at"))))
}

func (s shop) keys(ctx context.Context, cs []model.Customer, q bob.Query) error {
	ids, err := bob.All(ctx, s.db, q, keyMapper)
	for i, id := range ids {
		cs[i].ID = id
	}
	return err
}

func (s shop) patch(ctx context.Context, id int64, name string) error {
	_, err := bob.Exec(ctx, s.db, psql.Update(um.Table("customers"), um.SetCol("name").ToArg(name),
		um.Where(psql.Quote("id").EQ(psql.Arg(id)))))
	return err
}

// updateMany sends arrays. UpdateAll of models would give all rows the same values.
func (s shop) updateMany(ctx context.Context, cs []model.Customer) error {
	n := len(cs)
	ids, emails, names, phones := make([]int64, n), make([]string, n), make([]string, n), make([]*string, n)
	countries, tiers, born, optIns := make([]string, n), make([]string, n), make([]*time.Time, n), make([]bool, n)
	created, updated := make([]time.Time, n), make([]time.Time, n)
	for i := range cs {
		c := &cs[i]
		ids[i], emails[i], names[i], phones[i], countries[i], tiers[i] = c.ID, c.Email, c.Name, c.Phone, c.Country, c.Tier
		born[i], optIns[i], created[i], updated[i] = c.BornOn, c.MarketingOptIn, c.CreatedAt, c.UpdatedAt
	}
	_, err := bob.Exec(ctx, s.db, psql.Update(um.TableAs("customers", "c"),
		um.Set(psql.Raw(`email = u.email, name = u.name, phone = u.phone, country = u.country, tier = u.tier::customer_tier,
			born_on = u.born_on, marketing_opt_in = u.marketing_opt_in, created_at = u.created_at, updated_at = u.updated_at`)),
		um.From(psql.Raw(`unnest(?::bigint[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::date[], ?::boolean[],
			?::timestamptz[], ?::timestamptz[])
			AS u(id, email, name, phone, country, tier, born_on, marketing_opt_in, created_at, updated_at)`,
			ids, emails, names, phones, countries, tiers, born, optIns, created, updated)),
		um.Where(psql.Quote("c", "id").EQ(psql.Quote("u", "id")))))
	return err
}

func (s shop) deleteMany(ctx context.Context, ids []int64) error {
	_, err := bob.Exec(ctx, s.db, psql.Delete(dm.From("customers"), dm.Where(psql.Quote("id").EQ(psql.F("ANY", psql.Arg(ids))))))
	return err
}

func (s shop) report(ctx context.Context) (any, error) {
	return bob.All(ctx, s.db, psql.Select(sm.Columns("country", "tier", "count(*) AS number", "max(created_at) AS newest"),
		sm.From("customers"), sm.GroupBy("country"), sm.GroupBy("tier"), sm.OrderBy("country"), sm.OrderBy("tier")), groupMapper)
}
