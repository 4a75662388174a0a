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
	born      []*time.Time
	optIns    []bool
	created   []time.Time
	updated   []time.Time
}

func columnsOf(cs []model.Customer) columns {
	n := len(cs)
	c := columns{
		make([]int64, n), make([]string, n), make([]string, n), make([]*string, n), make([]string, n), make([]string, n),
		make([]*time.Time, n), make([]bool, n), make([]time.Time, n), make([]time.Time, n),
	}
	for i := range cs {
		v := &cs[i]
		c.ids[i], c.emails[i], c.names[i], c.phones[i], c.countries[i] = v.ID, v.Email, v.Name, v.Phone, v.Country
		c.tiers[i], c.born[i], c.optIns[i], c.created[i], c.updated[i] = v.Tier, v.BornOn, v.MarketingOptIn, v.CreatedAt, v.UpdatedAt
	}
	return c
}

const insertCustomers = `INSERT INTO customers (email, name, phone, country, tier, born_on, marketing_opt_in, created_at, updated_at)
	SELECT email, name, phone, country, tier::customer_tier, born_on, marketing_opt_in, created_at, updated_at
	FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::date[], $7::boolean[], $8::timestamptz[], $9::timestamptz[])
		AS u(email, name, phone, country, tier, born_on, marketing_opt_in, created_at, updated_at) `

func (s shop) createMany(ctx context.Context, cs []model.Customer) (any, error) {
	return cs, s.insert(ctx, insertCustomers+"RETURNING id", cs)
}

func (s shop) upsertMany(ctx context.Context, cs []model.Customer) (any, error) {
	return cs, s.insert(ctx, insertCustomers+`ON CONFLICT (email) DO UPDATE SET name = excluded.name, phone = excluded.phone,
		country = excluded.country, tier = excluded.tier, born_on = excluded.born_on, marketing_opt_in = excluded.marketing_opt_in,
		created_at = excluded.created_at, updated_at = excluded.updated_at RETURNING id`, cs)
}

// insert reads the keys of rows in the order in which they were sent.
func (s shop) insert(ctx context.Context, sql string, cs []model.Customer) error {
	c := columnsOf(cs)
	rows, err := s.pool.Query(ctx, sql, c.emails, c.names, c.phones, c.countries, c.tiers, c.born, c.optIns, c.created, c.updated)
	if err != nil {
		return err
	}
	i := 0
	var id int64
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		cs[i].ID = id
		i++
		return nil
	})
	return err
}

func (s shop) updateMany(ctx context.Context, cs []model.Customer) error {
	c := columnsOf(cs)
	_, err := s.pool.Exec(ctx, `UPDATE customers AS c
		SET email = u.email, name = u.name, phone = u.phone, country = u.country, tier = u.tier::customer_tier, born_on = u.born_on,
			marketing_opt_in = u.marketing_opt_in, created_at = u.created_at, updated_at = u.updated_at
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::date[], $8::boolean[],
			$9::timestamptz[], $10::timestamptz[])
			AS u(id, email, name, phone, country, tier, born_on, marketing_opt_in, created_at, updated_at)
		WHERE c.id = u.id`,
		c.ids, c.emails, c.names, c.phones, c.countries, c.tiers, c.born, c.optIns, c.created, c.updated)
	return err
}

func (s shop) deleteMany(ctx context.Context, ids []int64) error {
	_, err := s.pool.Exec(ctx, "DELETE FROM customers WHERE id = ANY($1)", ids)
	return err
}
