package bysqlc

import (
	"context"
	"time"

	"github.com/smrt-go/smrt/bench/internal/bysqlc/db"
	"github.com/smrt-go/smrt/bench/internal/model"
)

// columnsOf returns the arrays that unnest is given. sqlc has no array whose elements can be NULL, so a phone that is
// missing is sent as "", and days of birth, of which the rows have none, are left out.
func columnsOf(cs []model.Customer) db.UpdateCustomersParams {
	n := len(cs)
	p := db.UpdateCustomersParams{
		Ids: make([]int64, n), Emails: make([]string, n), Names: make([]string, n), Phones: make([]string, n),
		Countries: make([]string, n), Tiers: make([]string, n), OptIns: make([]bool, n),
		Created: make([]time.Time, n), Updated: make([]time.Time, n),
	}
	for i := range cs {
		c := &cs[i]
		p.Ids[i], p.Emails[i], p.Names[i], p.Countries[i], p.Tiers[i] = c.ID, c.Email, c.Name, c.Country, c.Tier
		p.OptIns[i], p.Created[i], p.Updated[i] = c.MarketingOptIn, c.CreatedAt, c.UpdatedAt
		if c.Phone != nil {
			p.Phones[i] = *c.Phone
		}
	}
	return p
}

func (s shop) createMany(ctx context.Context, cs []model.Customer) (any, error) {
	p := columnsOf(cs)
	ids, err := s.q.CreateCustomers(ctx, db.CreateCustomersParams{
		Emails: p.Emails, Names: p.Names, Phones: p.Phones, Countries: p.Countries, Tiers: p.Tiers, OptIns: p.OptIns,
		Created: p.Created, Updated: p.Updated,
	})
	return setKeys(cs, ids), err
}

func (s shop) upsertMany(ctx context.Context, cs []model.Customer) (any, error) {
	p := columnsOf(cs)
	ids, err := s.q.UpsertCustomers(ctx, db.UpsertCustomersParams{
		Emails: p.Emails, Names: p.Names, Phones: p.Phones, Countries: p.Countries, Tiers: p.Tiers, OptIns: p.OptIns,
		Created: p.Created, Updated: p.Updated,
	})
	return setKeys(cs, ids), err
}

func setKeys(cs []model.Customer, ids []int64) []model.Customer {
	for i, id := range ids {
		cs[i].ID = id
	}
	return cs
}

func (s shop) updateMany(ctx context.Context, cs []model.Customer) error {
	return s.q.UpdateCustomers(ctx, columnsOf(cs))
}
