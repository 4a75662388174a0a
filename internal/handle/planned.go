package handle

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
)

// These go before and after statements that are to be planned each time that they
// run, in one transaction. In a list of SELECT the left comes first.
const (
	PlanEach = "SELECT set_config('smrt.plan_cache_mode', current_setting('plan_cache_mode'), true), " +
		"set_config('plan_cache_mode', 'force_custom_plan', true)"
	PlanAsBefore = "SELECT set_config('plan_cache_mode', current_setting('smrt.plan_cache_mode'), true)"
)

// SendBatch sends a batch, whose statements are planned for their arguments if one
// has a long list: pgx takes no mode for a statement of a batch, see meta.Planned.
// The results are those of b.
func SendBatch(ctx context.Context, db smrt.DB, b *pgx.Batch, planned bool) pgx.BatchResults {
	if !planned {
		return db.SendBatch(ctx, b)
	}
	all := &pgx.Batch{}
	all.Queue(PlanEach)
	all.QueuedQueries = append(all.QueuedQueries, b.QueuedQueries...)
	all.Queue(PlanAsBefore)
	results := db.SendBatch(ctx, all)
	_, _ = results.Exec() // its error is that of the next result too
	return results
}
