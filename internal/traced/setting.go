package traced

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// tenant is the operation of the setting that tells row security the tenant. It travels
// in batches, and no caller has asked for it.
const tenant = "tenant"

// TenantText begins the texts of that setting, so that others need not be looked up.
const TenantText = "SELECT pg_catalog.set_config('"

// KeepTenant names the text of that setting. It is kept like a text.
func KeepTenant(sql string) *Text { return Keep(sql, Name{Operation: tenant}) }

// TellsTenant reports whether a text is that setting.
func TellsTenant(sql string) bool {
	if !strings.HasPrefix(sql, TenantText) {
		return false
	}
	n, _ := NameOf(sql)
	return n == Name{Operation: tenant}
}

// Asked returns how many statements of a batch a caller has asked for.
func Asked(b *pgx.Batch) (n int) {
	for _, q := range b.QueuedQueries {
		if !TellsTenant(q.SQL) {
			n++
		}
	}
	return n
}

// behind is the context of a batch that is one statement to its caller.
type behind struct {
	context.Context
	batch *pgx.Batch
	asked *pgx.QueuedQuery
}

type behindKey struct{}

// Value implements context.Context.
func (b *behind) Value(key any) any {
	if key == (behindKey{}) {
		return b
	}
	return b.Context.Value(key)
}

// Behind returns a context under which b, the setting and what a caller has asked for, is
// known as that statement. The batch is compared, so nothing else is that is sent under it.
func Behind(ctx context.Context, b *pgx.Batch, asked *pgx.QueuedQuery) context.Context {
	return &behind{ctx, b, asked}
}

// OfBehind returns the statement that b is known as, nil if it is a batch.
func OfBehind(ctx context.Context, b *pgx.Batch) *pgx.QueuedQuery {
	if len(b.QueuedQueries) != 2 {
		return nil
	}
	if known, _ := ctx.Value(behindKey{}).(*behind); known != nil && known.batch == b {
		return known.asked
	}
	return nil
}
