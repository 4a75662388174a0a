package schema_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/schema"
)

type booking struct {
	ID        int64
	Room      pgtype.Range[pgtype.Int8]
	StartsAt  time.Time
	EndsAt    time.Time
	DeletedAt *time.Time
}

// TestExclusionAndSoftDelete has exclusion constraints over rows that are deleted softly. A row that was deleted excludes
// others, which is found, and no longer when the statement of the finding has run.
func TestExclusionAndSoftDelete(t *testing.T) {
	t.Parallel()
	const meets = "EXCLUDE USING gist (room WITH &&, tstzrange(starts_at, ends_at) WITH &&)"
	bookings := query.NewTable("bookings", func(b *booking) *int64 { return &b.ID }, query.SoftDelete(func(b *booking) **time.Time { return &b.DeletedAt }))
	room := query.Col(func(b *booking) *pgtype.Range[pgtype.Int8] { return &b.Room })
	starts, ends := query.Col(func(b *booking) *time.Time { return &b.StartsAt }), query.Col(func(b *booking) *time.Time { return &b.EndsAt })
	meant := schema.UniqueWithDeleted(bookings, room, starts, ends)
	for name, c := range map[string]struct {
		constraint string
		with       []schema.Declaration
		found      bool
		noSQL      bool
	}{
		"all rows":         {constraint: meets, found: true},
		"other rows":       {constraint: meets + " WHERE (deleted_at IS NULL)"},
		"some rows":        {constraint: meets + " WHERE (id > 0)", found: true, noSQL: true},
		"deferrable":       {constraint: meets + " DEFERRABLE", found: true, noSQL: true},
		"until deletion":   {constraint: "EXCLUDE USING gist (room WITH &&, tstzrange(starts_at, coalesce(deleted_at, ends_at)) WITH &&)"},
		"meant":            {constraint: meets, with: []schema.Declaration{meant}},
		"meant of another": {constraint: "EXCLUDE USING gist (room WITH &&)", with: []schema.Declaration{meant}, found: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
			check.Value(pool.Exec(ctx, `CREATE TABLE bookings (id bigserial PRIMARY KEY, room int8range NOT NULL, starts_at timestamptz NOT NULL,
				ends_at timestamptz NOT NULL, deleted_at timestamptz, CONSTRAINT "One at a time" `+c.constraint+")"))(t)
			verify := func() schema.Findings { return check.Value(schema.Verify(ctx, pool, append(c.with, bookings)...))(t) }
			found := verify()
			if !c.found {
				check.Equal(t, "findings", found, schema.Findings{})
				return
			}
			if len(found) != 1 || found[0].Check != schema.CheckSoftDelete || found[0].Level != schema.Warning || !strings.Contains(found[0].Problem, "One at a time") || !strings.HasPrefix(found[0].Column, "room") {
				t.Fatalf("found %v", found)
			}
			check.Same(t, "no statement", found[0].SQL == "", c.noSQL)
			if c.noSQL {
				return
			}
			r := repo.New(pool, bookings)
			book := func() error {
				b := booking{Room: pgtype.Range[pgtype.Int8]{Lower: pgtype.Int8{Int64: 1, Valid: true}, LowerType: pgtype.Inclusive, UpperType: pgtype.Unbounded, Valid: true}, StartsAt: time.Unix(0, 0), EndsAt: time.Unix(60, 0)}
				if err := r.Create(ctx, &b); err != nil {
					return err
				}
				return r.Delete(ctx, b.ID)
			}
			check.NoError(t, book())
			check.Error(t, "beside a deleted row", book(), smrt.ErrConflict)
			check.Value(pool.Exec(ctx, found[0].SQL))(t)
			check.NoError(t, book())
			check.Equal(t, "findings afterwards", verify(), schema.Findings{})
		})
	}
}
