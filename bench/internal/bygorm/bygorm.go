// Package bygorm does the tasks with GORM, as its pages on performance advise: statements are prepared, and single writes
// are in no transaction of their own.
package bygorm

import (
	"context"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
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
		Get: s.get, Find: s.find, Read: s.read, Create: s.create, CreateMany: s.createMany, UpsertMany: s.upsertMany,
		Patch: s.patch, UpdateMany: s.updateMany, DeleteMany: s.deleteMany, WithCustomer: s.withCustomer, Graph: s.graph,
		Place: s.place, Page: s.page, Offset: s.offset, Stream: s.stream, Report: s.report,
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
	cs := make([]model.Customer, 0, model.PageSize)
	err := q.Order("created_at DESC, id DESC").Limit(model.PageSize).Find(&cs).Error
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

func (s shop) upsertMany(ctx context.Context, cs []model.Customer) (any, error) {
	return cs, s.upsert(ctx, cs, "email", "name", "phone", "country", "tier", "born_on", "marketing_opt_in", "created_at", "updated_at")
}

func (s shop) upsert(ctx context.Context, cs []model.Customer, key string, columns ...string) error {
	return s.db.WithContext(ctx).Clauses(clause.OnConflict{
		Columns: []clause.Column{{Name: key}}, DoUpdates: clause.AssignmentColumns(columns),
	}).Create(&cs).Error
}

func (s shop) patch(ctx context.Context, id int64, name string) error {
	return s.db.WithContext(ctx).Model(&model.Customer{}).Where("id = ?", id).Update("name", name).Error
}

// updateMany upserts by key: GORM has no update of many rows that differ. Its Save does so too, but keeps created_at.
func (s shop) updateMany(ctx context.Context, cs []model.Customer) error {
	return s.upsert(ctx, cs, "id", "email", "name", "phone", "country", "tier", "born_on", "marketing_opt_in", "created_at", "updated_at")
}

func (s shop) deleteMany(ctx context.Context, ids []int64) error {
	return s.db.WithContext(ctx).Delete(&model.Customer{}, ids).Error
}

func (s shop) report(ctx context.Context) (any, error) {
	var groups []model.Group
	err := s.db.WithContext(ctx).Model(&model.Customer{}).Select("country, tier, count(*) AS number, max(created_at) AS newest").
		Group("country, tier").Order("country, tier").Find(&groups).Error
	return groups, err
}
