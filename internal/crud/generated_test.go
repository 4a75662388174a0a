package crud_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"

	"github.com/jackc/pgx/v5"
)

type stone struct {
	ID     int64
	Size   int64
	Double int64
	Serial int64
}

// TestGeneratedColumnIsNamed writes columns that the database alone may write. The error names the one that it is about,
// not the key.
func TestGeneratedColumnIsNamed(t *testing.T) {
	t.Parallel()
	stones := query.NewTable("stones", func(s *stone) *int64 { return &s.ID })
	double := query.Col(func(s *stone) *int64 { return &s.Double })
	for name, c := range map[string]struct {
		columns string
		give    stone
		column  string
		says    string
	}{
		"expression": {"id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, size bigint, double bigint GENERATED ALWAYS AS (size * 2) STORED, serial bigint", stone{}, "double", "Computed"},
		"identity":   {"id bigserial PRIMARY KEY, size bigint, double bigint, serial bigint GENERATED ALWAYS AS IDENTITY", stone{}, "serial", "Computed"},
		"key":        {"id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, size bigint, double bigint, serial bigint", stone{ID: 7}, "id", "leave the key zero"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
			check.Value(pool.Exec(ctx, "CREATE TABLE stones ("+c.columns+")"))(t)
			r, one := repo.New(pool, stones), c.give
			calls := map[string]error{
				"create": r.Create(ctx, &one), "create many": r.CreateMany(ctx, []stone{c.give, c.give}),
				// Nothing can be asked in an aborted transaction, so that no column is named which might be the wrong one.
				"aborted": txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
					return repo.New(tx, query.NewTable("stones", func(s *stone) *int64 { return &s.ID })).Create(ctx, &one)
				}),
			}
			if name == "expression" {
				calls["patch"] = r.Patch(ctx, 1, double.Set(3))
			}
			for what, err := range calls {
				want := c.column
				if what == "aborted" {
					want = ""
				}
				var bad *smrt.ValueError
				if check.Error(t, what, err, smrt.ErrGenerated); !errors.As(err, &bad) || bad.Column != want || want != "" && !strings.Contains(bad.Reason, c.says) {
					t.Errorf("%s: %v, want column %q", what, err, want)
				}
			}
		})
	}
}
