package bypgx

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/bench/internal/model"
)

// columns are the arrays that unnest is given.
type columns struct {
	ids       []int64
	emails    []string
	names     []string
	phones    []*string
	countries []string
	tiers     []string
	optIns    []bool
	created   []time.Time
	updated   []time.Time
}

func columnsOf(cs []model.Customer) columns {
	n := len(cs)
	c := columns{
		make([]int64, n), make([]string, n), make([]string, n), make([]*string, n), make([]string, n), make([]string, n),
		make([]bool, n), make([]time.Time, n), make([]time.Time, n),
	}
	for i := range cs {
		v := &cs[i]
		c.ids[i], c.emails[i], c.names[i], c.phones[i], c.countries[i] = v.ID, v.Email, v.Name, v.Phone, v.Country
		c.tiers[i], c.optIns[i], c.created[i], c.updated[i] = v.Tier, v.MarketingOptIn, v.CreatedAt, v.UpdatedAt
	}
	return c
}

const insertCustomers = `INSERT INTO customers (email, name, phone, country, tier, marketing_opt_in, created_at, updated_at)
	SELECT email, name, phone, country, tier::customer_tier, marketing_opt_in, created_at, updated_at
	FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::timestamptz[], $8::timestamptz[])
		AS u(email, name, phone, country, tier, marketing_opt_in, created_at, updated_at) `

func (s shop) createMany(ctx context.Context, cs []model.Customer) (any, error) {
	c := columnsOf(cs)
	rows, err := s.pool.Query(ctx, insertCustomers+"RETURNING id",
		c.emails, c.names, c.phones, c.countries, c.tiers, c.optIns, c.created, c.updated)
	if err != nil {
		return nil, err
	}
	return cs, scanKeys(rows, cs)
}

// scanKeys reads the keys of rows in the order in which they were sent.
func scanKeys(rows pgx.Rows, cs []model.Customer) error {
	i := 0
	var id int64
	_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
		cs[i].ID = id
		i++
		return nil
	})
	return err
}
