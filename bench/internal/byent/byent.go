// Package byent does the tasks with ent over database/sql and pgx.
package byent

import (
	"context"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"

	"github.com/smrt-go/smrt/bench/internal/byent/db"
	"github.com/smrt-go/smrt/bench/internal/byent/db/customer"
	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/task"
)

type shop struct{ client *db.Client }

// Open returns how it is done on a database.
func Open(_ context.Context, database measure.Database) (*task.Ops, error) {
	pool, err := database.SQL()
	if err != nil {
		return nil, err
	}
	s := shop{db.NewClient(db.Driver(sql.OpenDB(dialect.Postgres, pool)))}
	return &task.Ops{
		Get: s.get, Find: s.find, Read: s.read, Create: s.create, CreateMany: s.createMany, UpsertMany: s.upsertMany,
		Patch: s.patch, UpdateMany: s.updateMany, DeleteMany: s.deleteMany, WithCustomer: s.withCustomer, Graph: s.graph,
		Place: s.place, Page: s.page, Offset: s.offset, Report: s.report,
		Close:  func() { _ = pool.Close() },
		Cannot: map[string]string{"stream": "a query of ent returns all rows in a slice"},
	}, nil
}

func (s shop) get(ctx context.Context, id int64) (any, error) { return s.client.Customer.Get(ctx, id) }

func (s shop) find(ctx context.Context, f model.Filter) (any, error) {
	q := s.client.Customer.Query()
	if f.Country != nil {
		q.Where(customer.Country(*f.Country))
	}
	if f.Tier != nil {
		q.Where(customer.TierEQ(customer.Tier(*f.Tier)))
	}
	if f.OptIn != nil {
		q.Where(customer.MarketingOptIn(*f.OptIn))
	}
	return q.Order(customer.ByCreatedAt(sql.OrderDesc()), customer.ByID(sql.OrderDesc())).Limit(model.PageSize).All(ctx)
}

func (s shop) read(ctx context.Context, n int) (any, error) {
	return s.client.Customer.Query().Order(customer.ByID()).Limit(n).All(ctx)
}

func (s shop) builder(c *model.Customer) *db.CustomerCreate {
	return s.client.Customer.Create().SetEmail(c.Email).SetName(c.Name).SetNillablePhone(c.Phone).SetCountry(c.Country).
		SetTier(customer.Tier(c.Tier)).SetNillableBornOn(c.BornOn).SetMarketingOptIn(c.MarketingOptIn).
		SetCreatedAt(c.CreatedAt).SetUpdatedAt(c.UpdatedAt)
}

func (s shop) create(ctx context.Context, c model.Customer) (int64, error) {
	created, err := s.builder(&c).Save(ctx)
	if err != nil {
		return 0, err
	}
	return created.ID, nil
}

func (s shop) createMany(ctx context.Context, cs []model.Customer) (any, error) {
	return s.client.Customer.CreateBulk(s.builders(cs)...).Save(ctx)
}

func (s shop) builders(cs []model.Customer) []*db.CustomerCreate {
	builders := make([]*db.CustomerCreate, len(cs))
	for i := range cs {
		builders[i] = s.builder(&cs[i])
		if cs[i].ID != 0 {
			builders[i].SetID(cs[i].ID)
		}
	}
	return builders
}

// upsertMany asks for the keys with a second statement: a bulk upsert of ent returns none.
func (s shop) upsertMany(ctx context.Context, cs []model.Customer) (any, error) {
	err := s.client.Customer.CreateBulk(s.builders(cs)...).OnConflictColumns(customer.FieldEmail).UpdateNewValues().Exec(ctx)
	if err != nil {
		return nil, err
	}
	emails, place := make([]string, len(cs)), make(map[string]int, len(cs))
	for i := range cs {
		emails[i], place[cs[i].Email] = cs[i].Email, i
	}
	rows, err := s.client.Customer.Query().Where(customer.EmailIn(emails...)).Select(customer.FieldID, customer.FieldEmail).All(ctx)
	for _, row := range rows {
		cs[place[row.Email]].ID = row.ID
	}
	return cs, err
}

// updateMany upserts by key: ent has no update of many rows that differ.
func (s shop) updateMany(ctx context.Context, cs []model.Customer) error {
	return s.client.Customer.CreateBulk(s.builders(cs)...).OnConflictColumns(customer.FieldID).UpdateNewValues().
		Update(func(u *db.CustomerUpsert) {
			for _, column := range []string{customer.FieldPhone, customer.FieldBornOn} {
				u.UpdateSet.SetExcluded(column)
			}
		}).Exec(ctx)
}

func (s shop) patch(ctx context.Context, id int64, name string) error {
	return s.client.Customer.Update().Where(customer.ID(id)).SetName(name).Exec(ctx)
}

func (s shop) deleteMany(ctx context.Context, ids []int64) error {
	_, err := s.client.Customer.Delete().Where(customer.IDIn(ids...)).Exec(ctx)
	return err
}

// group is a [model.Group] with the names that ent scans by.
type group struct {
	Country string    `sql:"country"`
	Tier    string    `sql:"tier"`
	Number  int64     `sql:"number"`
	Newest  time.Time `sql:"newest"`
}

func (s shop) report(ctx context.Context) (any, error) {
	var groups []group
	err := s.client.Customer.Query().Order(customer.ByCountry(), customer.ByTier()).GroupBy(customer.FieldCountry, customer.FieldTier).
		Aggregate(db.As(db.Count(), "number"), db.As(db.Max(customer.FieldCreatedAt), "newest")).Scan(ctx, &groups)
	return groups, err
}
