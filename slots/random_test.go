package slots_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/slots"
)

// randomPredicate combines conditions.
func randomPredicate(rnd *rand.Rand, depth int) query.Predicate[shop.Order] {
	if depth > 0 {
		switch rnd.IntN(4) {
		case 0:
			return query.And(randomPredicate(rnd, depth-1), randomPredicate(rnd, depth-1))
		case 1:
			return query.Or(randomPredicate(rnd, depth-1), randomPredicate(rnd, depth-1))
		case 2:
			return query.Not(randomPredicate(rnd, depth-1))
		}
	}
	names := slices.Sorted(maps.Keys(conditions))
	return conditions[names[rnd.IntN(len(names))]].p
}

// TestRandom fills slots with random conditions, and compares with the orders that a
// repository finds by them.
func TestRandom(t *testing.T) {
	t.Parallel()
	rnd, pool := check.Random(t), testdb.Pool(t, filledShop)
	orders, n := repo.New(pool, shop.Orders), 60
	if check.Long() {
		n = 10_000 / len(texts)
	}
	matched := 0
	for range n {
		p := randomPredicate(rnd, 3)
		var found []int64
		for _, o := range check.Value(orders.Find(t.Context(), query.Where(p)))(t) {
			found = append(found, o.ID)
		}
		if len(found) > 0 && len(found) < 400 {
			matched++
		}
		for where, text := range texts {
			if where == "in NOT" {
				continue // where NULL is not false
			}
			checkRandom(t, pool, where, text, p, found)
		}
	}
	if matched < n/4 {
		t.Errorf("%d of %d conditions match some orders and not all", matched, n)
	}
}

func checkRandom(t *testing.T, pool *pgxpool.Pool, where, text string, p query.Predicate[shop.Order], found []int64) {
	t.Helper()
	args := []any{int64(7)}
	if !strings.Contains(text, "$1") {
		args = nil
	}
	alias := "o"
	if where == "no alias" {
		alias = "orders"
	}
	byHand := text
	for _, marker := range []string{"true /* smrt:where orders o */", "true /* smrt:where orders */", "true /*smrt:where orders o*/"} {
		byHand = strings.ReplaceAll(byHand, marker, fmt.Sprintf("%s.id = ANY($%d)", alias, len(args)+1))
	}
	got := ids(t, slots.On(pool, slots.For(shop.Orders, query.Where(p))), text, args...)
	check.Equal(t, where, got, ids(t, pool, byHand, append(args, found)...))
}
