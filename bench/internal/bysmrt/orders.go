package bysmrt

import (
	"context"
	"errors"
	"slices"

	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/unit"
)

func (s *shop) withCustomer(ctx context.Context, n int) (any, error) {
	return s.orders.Find(ctx, query.All[model.Order]().OrderBy(orderID.Asc()).Limit(n), buyer)
}

func (s *shop) graph(ctx context.Context, n int) (any, error) {
	return s.orders.Find(ctx, query.All[model.Order]().OrderBy(orderID.Asc()).Limit(n), lines)
}

func (s *shop) place(ctx context.Context, o model.Order) (int64, error) {
	u := unit.New()
	placed := unit.Create(u, orders, &o)
	unit.CreateMany(u, items, o.Items, unit.Refer(itemOrder, placed))
	_, err := u.Flush(ctx, s.pool)
	return o.ID, err
}

func latest() query.Query[model.Order] {
	return query.All[model.Order]().OrderBy(orderPlaced.Desc(), orderID.Desc())
}

// page reads the page that a cursor names. The first call goes there from page to page, as a client would.
func (s *shop) page(ctx context.Context, after model.Position) (any, error) {
	cursor, known := s.cursors[after]
	if !known {
		var err error
		if cursor, err = s.cursor(ctx, after.ID); err != nil {
			return nil, err
		}
		s.cursors[after] = cursor
	}
	page, err := s.orders.Page(ctx, latest(), query.Page{Size: model.PageSize, After: cursor})
	if err != nil {
		return nil, err
	}
	return page.Items, nil
}

// cursor returns the cursor of the page after an order: a page that ends with it has that as its next.
func (s *shop) cursor(ctx context.Context, id int64) (string, error) {
	cursor, size := "", repo.MaxPageSize
	for {
		page, err := s.orders.Page(ctx, latest(), query.Page{Size: size, After: cursor})
		if err != nil {
			return "", err
		}
		last := slices.IndexFunc(page.Items, func(o model.Order) bool { return o.ID == id })
		switch {
		case last == len(page.Items)-1:
			return page.Next, nil
		case last >= 0:
			size = last + 1
		case page.Next == "":
			return "", errors.New("there is no such order")
		default:
			cursor = page.Next
		}
	}
}

func (s *shop) offset(ctx context.Context, n int) (any, error) {
	return s.orders.Find(ctx, latest().Limit(model.PageSize).Offset(n))
}

func (s *shop) stream(ctx context.Context) (sum int64, err error) {
	for item, err := range s.items.Stream(ctx, query.All[model.OrderItem]()) {
		if err != nil {
			return 0, err
		}
		sum += int64(item.Quantity)
	}
	return sum, nil
}
