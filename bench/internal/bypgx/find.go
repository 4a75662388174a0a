package bypgx

import (
	"context"
	"strconv"

	"github.com/smrt-go/smrt/bench/internal/model"
)

// find appends the conditions that are asked for. There are eight texts, so pgx has each of them prepared.
func (s shop) find(ctx context.Context, f model.Filter) (any, error) {
	sql := append(make([]byte, 0, 256), selectCustomers...)
	args := make([]any, 0, 3)
	where := func(condition string, arg any) {
		if len(args) == 0 {
			sql = append(sql, "WHERE "...)
		} else {
			sql = append(sql, " AND "...)
		}
		args = append(args, arg)
		sql = strconv.AppendInt(append(append(sql, condition...), " = $"...), int64(len(args)), 10)
	}
	if f.Country != nil {
		where("country", *f.Country)
	}
	if f.Tier != nil {
		where("tier", *f.Tier)
	}
	if f.OptIn != nil {
		where("marketing_opt_in", *f.OptIn)
	}
	sql = append(sql, " ORDER BY created_at DESC, id DESC LIMIT 20"...)
	rows, err := s.pool.Query(ctx, string(sql), args...)
	return collect(rows, err, model.PageSize, targets)
}
