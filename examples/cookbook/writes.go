package cookbook

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// Add creates a product and returns its key, which the database makes.
func (s *Shop) Add(ctx context.Context, p Product) (int64, error) {
	err := s.Products.Create(ctx, &p)
	if errors.Is(err, smrt.ErrConflict) {
		return 0, errors.New("there is a product with this SKU")
	}
	return p.ID, err
}

// Import creates products and updates the prices and names of those that exist, in one statement.
func (s *Shop) Import(ctx context.Context, products []Product) error {
	_, err := s.Products.UpsertMany(ctx, products, query.OnConflict(SKU).Update(Name, Price))
	return err
}

// Deliver adds to the stock of products that exist, and creates the others.
func (s *Shop) Deliver(ctx context.Context, products []Product) error {
	more := Stock.SetTo(query.SQL[int32]("$1 + $2", Stock, query.Excluded(Stock)))
	_, err := s.Products.UpsertMany(ctx, products, query.OnConflict(SKU).Set(more))
	return err
}

// SignUp returns the customer with an email address, who may be new.
func (s *Shop) SignUp(ctx context.Context, email, name string) (c Customer, isNew bool, err error) {
	c = Customer{Email: email, Name: name}
	isNew, err = s.Customers.GetOrCreate(ctx, &c, query.OnConflict(Email))
	return c, isNew, err
}

// Raise changes some columns of one row, without reading it.
func (s *Shop) Raise(ctx context.Context, id, cents int64) error {
	return s.Products.Patch(ctx, id, query.Add(Price, cents), Tags.SetExpr("array_append(tags, $1)", "raised"))
}

// ErrSoldOut means that there is not enough of a product.
var ErrSoldOut = errors.New("sold out")

// Take takes from the stock of a product if there is enough, whoever else does so.
func (s *Shop) Take(ctx context.Context, id int64, n int32) error {
	taken, err := s.Products.UpdateWhere(ctx, query.Where(ProductID.Eq(id), Stock.Ge(n)), query.Add(Stock, -n))
	if err == nil && taken == 0 {
		err = ErrSoldOut
	}
	return err
}

// Rename writes back a customer that was read before, perhaps by a form. If somebody else has
// changed the row since, it is smrt.ErrStale and nothing is written.
func (s *Shop) Rename(ctx context.Context, read Customer, name string) error {
	read.Name = name
	return s.Customers.Update(ctx, &read)
}

// Withdraw deletes a product softly: reads do not find it, and its orders keep it.
func (s *Shop) Withdraw(ctx context.Context, id int64) error { return s.Products.Delete(ctx, id) }

// Return brings it back.
func (s *Shop) Return(ctx context.Context, id int64) error { return s.Products.Restore(ctx, id) }

// Purge removes what was withdrawn before a day, if no order has it, and returns how much that was.
func (s *Shop) Purge(ctx context.Context, before time.Time) (int64, error) {
	ordered := query.InSelect(ProductID, OrderLines, LineProduct, query.All[OrderLine]())
	return s.Products.HardDeleteWhere(ctx,
		query.Where(query.Raw[Product]("deleted_at < $1", before), query.Not(ordered)).OnlyDeleted())
}

// Claim hands out jobs to one of several workers: what another has locked is left out. They are
// done when the transaction that fn runs in commits.
func (s *Shop) Claim(ctx context.Context, most int, fn func(Job) error) error {
	return txn.Run(ctx, s.db, func(ctx context.Context, tx pgx.Tx) error {
		jobs := s.Jobs.With(tx)
		open := query.Where(DoneAt.IsNull()).OrderBy(JobID.Asc()).Limit(most)
		claimed, err := jobs.Find(ctx, open.Lock(query.ForUpdate, query.SkipLocked))
		if err != nil {
			return err
		}
		for _, job := range claimed {
			if err := fn(job); err != nil {
				return err
			}
			if err := jobs.Patch(ctx, job.ID, DoneAt.SetExpr("now()")); err != nil {
				return err
			}
		}
		return nil
	})
}

// Transfer moves money once, however often the request comes: the key is that of the request.
// txn.MarkersSQL is the table of the keys.
func (s *Shop) Transfer(ctx context.Context, request string, from, to, cents int64) error {
	err := txn.Run(ctx, s.db, func(ctx context.Context, tx pgx.Tx) error {
		customers := s.Customers.With(tx)
		if err := customers.Patch(ctx, from, query.Add(Balance, -cents)); err != nil {
			return err // smrt.ErrCheck: the balance would be negative
		}
		return customers.Patch(ctx, to, query.Add(Balance, cents))
	}, txn.Options{Key: request})
	if errors.Is(err, smrt.ErrAlreadyApplied) {
		return nil
	}
	return err
}

// Place writes an order, its lines and the stock that they take, in one round trip.
func (s *Shop) Place(ctx context.Context, order *Order, lines []OrderLine) error {
	u := unit.New()
	placed := unit.Create(u, Orders, order)
	unit.CreateMany(u, OrderLines, lines, unit.Refer(LineOrder, placed))
	for _, l := range lines {
		unit.Patch(u, Products, l.ProductID, query.Add(Stock, -l.Quantity))
	}
	_, err := u.Flush(ctx, s.db)
	return err
}
