// Package bypgkit does the tasks with pgkit: its tables where those have an operation, else statements of its builder,
// which is squirrel's, read with scany.
package bypgkit

import (
	"context"
	"time"

	"github.com/Masterminds/squirrel"
	"github.com/goware/pgkit/v2"

	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/task"
)

// customer is a record as pgkit wants it: with tags that leave out a key without a value, and a method that returns it.
type customer struct {
	ID             int64      `db:"id,omitempty"`
	Email          string     `db:"email"`
	Name           string     `db:"name"`
	Phone          *string    `db:"phone"`
	Country        string     `db:"country"`
	Tier           string     `db:"tier"`
	BornOn         *time.Time `db:"born_on"`
	MarketingOptIn bool       `db:"marketing_opt_in"`
	CreatedAt      time.Time  `db:"created_at"`
	UpdatedAt      time.Time  `db:"updated_at"`
}

// GetID returns the key.
func (c *customer) GetID() int64 { return c.ID }

// Validate accepts all customers.
func (c *customer) Validate() error { return nil }

func recordsOf(cs []model.Customer) []*customer {
	records := make([]*customer, len(cs))
	for i, c := range cs {
		r := customer(c)
		records[i] = &r
	}
	return records
}

type shop struct {
	*pgkit.DB
	customers *pgkit.Table[customer, *customer, int64]
	orders    *pgkit.Table[order, *order, int64]
}

// Open returns how it is done on a database.
func Open(_ context.Context, database measure.Database) (*task.Ops, error) {
	config, err := database.Config()
	if err != nil {
		return nil, err
	}
	db, err := pgkit.ConnectWithPGX("bench", config)
	if err != nil {
		return nil, err
	}
	s := shop{
		DB:        db,
		customers: &pgkit.Table[customer, *customer, int64]{DB: db, Name: "customers", IDColumn: "id"},
		orders:    &pgkit.Table[order, *order, int64]{DB: db, Name: "orders", IDColumn: "id"},
	}
	const none = "pgkit knows no relations"
	return &task.Ops{
		Get: s.get, Find: s.find, Read: s.read, Create: s.create, CreateMany: s.createMany, UpsertMany: s.upsertMany,
		Patch: s.patch, UpdateMany: s.updateMany, DeleteMany: s.deleteMany, Place: s.place, Page: s.page, Offset: s.offset,
		Stream: s.stream, Report: s.report, Close: db.Conn.Close,
		Cannot: map[string]string{"with-customer": none, "graph": none},
	}, nil
}

func (s shop) get(ctx context.Context, id int64) (any, error) { return s.customers.GetByID(ctx, id) }

func (s shop) find(ctx context.Context, f model.Filter) (any, error) {
	q := s.SQL.Select("*").From("customers")
	if f.Country != nil {
		q = q.Where(squirrel.Eq{"country": *f.Country})
	}
	if f.Tier != nil {
		q = q.Where(squirrel.Eq{"tier": *f.Tier})
	}
	if f.OptIn != nil {
		q = q.Where(squirrel.Eq{"marketing_opt_in": *f.OptIn})
	}
	var found []customer
	err := s.Query.GetAll(ctx, q.OrderBy("created_at DESC", "id DESC").Limit(model.PageSize), &found)
	return found, err
}

func (s shop) read(ctx context.Context, n int) (any, error) {
	var all []customer
	err := s.Query.GetAll(ctx, s.SQL.Select("*").From("customers").OrderBy("id").Limit(uint64(n)), &all)
	return all, err
}

func (s shop) create(ctx context.Context, c model.Customer) (int64, error) {
	record := customer(c)
	err := s.customers.Insert(ctx, &record)
	return record.ID, err
}

func (s shop) createMany(ctx context.Context, cs []model.Customer) (any, error) {
	records := recordsOf(cs)
	return records, s.customers.Insert(ctx, records...)
}

func (s shop) upsertMany(ctx context.Context, cs []model.Customer) (any, error) {
	q := s.SQL.InsertRecords(recordsOf(cs), "customers").Suffix(`ON CONFLICT (email) DO UPDATE SET name = excluded.name,
		phone = excluded.phone, country = excluded.country, tier = excluded.tier, born_on = excluded.born_on,
		marketing_opt_in = excluded.marketing_opt_in, created_at = excluded.created_at, updated_at = excluded.updated_at RETURNING id`)
	ids := make([]int64, 0, len(cs))
	err := s.Query.GetAll(ctx, q, &ids)
	for i, id := range ids {
		cs[i].ID = id
	}
	return cs, err
}

func (s shop) patch(ctx context.Context, id int64, name string) error {
	_, err := s.Query.Exec(ctx, s.SQL.Update("customers").Set("name", name).Where(squirrel.Eq{"id": id}))
	return err
}

func (s shop) updateMany(ctx context.Context, cs []model.Customer) error {
	_, err := s.customers.Update(ctx, recordsOf(cs)...)
	return err
}

func (s shop) deleteMany(ctx context.Context, ids []int64) error {
	_, err := s.Query.Exec(ctx, s.SQL.Delete("customers").Where("id = ANY(?)", ids))
	return err
}

func (s shop) report(ctx context.Context) (any, error) {
	var groups []model.Group
	err := s.Query.GetAll(ctx, s.SQL.Select("country", "tier", "count(*) AS number", "max(created_at) AS newest").From("customers").
		GroupBy("country", "tier").OrderBy("country", "tier"), &groups)
	return groups, err
}
