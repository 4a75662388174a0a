// Package bygorm does the tasks with GORM, as its pages on performance advise: statements are prepared, and single writes
// are in no transaction of their own.
package bygorm

import (
	"context"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/task"
)

type shop struct{ db *gorm.DB }

// batch is how many rows an INSERT has: nine parameters each, and a statement has at most 65,535.
const batch = 1000

// Open returns how it is done on a database.
func Open(_ context.Context, database measure.Database) (*task.Ops, error) {
	pool, err := database.SQL()
	if err != nil {
		return nil, err
	}
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: pool}), &gorm.Config{
		PrepareStmt: true, SkipDefaultTransaction: true, CreateBatchSize: batch,
		Logger: logger.Discard,
	})
	if err != nil {
		return nil, err
	}
	s := shop{db}
	return &task.Ops{
		Get: s.get, Find: s.find, Read: s.read, Create: s.create, CreateMany: s.createMany,
		Close: func() { _ = pool.Close() },
	}, nil
}

func (s shop) get(ctx context.Context, id int64) (any, error) {
	var c model.Customer
	err := s.db.WithContext(ctx).Take(&c, id).Error
	return &c, err
}

func (s shop) find(ctx context.Context, f model.Filter) (any, error) {
	q := s.db.WithContext(ctx)
	if f.Country != nil {
		q = q.Where("country = ?", *f.Country)
	}
	if f.Tier != nil {
		q = q.Where("tier = ?", *f.Tier)
	}
	if f.OptIn != nil {
		q = q.Where("marketing_opt_in = ?", *f.OptIn)
	}
	cs := make([]model.Customer, 0, model.FindLimit)
	err := q.Order("created_at DESC, id DESC").Limit(model.FindLimit).Find(&cs).Error
	return cs, err
}

func (s shop) read(ctx context.Context, n int) (any, error) {
	cs := make([]model.Customer, 0, n)
	err := s.db.WithContext(ctx).Order("id").Limit(n).Find(&cs).Error
	return cs, err
}

func (s shop) create(ctx context.Context, c model.Customer) (int64, error) {
	err := s.db.WithContext(ctx).Create(&c).Error
	return c.ID, err
}

func (s shop) createMany(ctx context.Context, cs []model.Customer) (any, error) {
	return cs, s.db.WithContext(ctx).Create(&cs).Error
}
