package preload_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
)

// TestTwoLoadsIntoOneField: the error names the field, wherever it lies.
func TestTwoLoadsIntoOneField(t *testing.T) {
	type shelved struct {
		author
		Held struct{ Books []book }
	}
	into := func(v *shelved) *[]book { return &v.Held.Books }
	err := preload.Fill(t.Context(), deadPool(t), []shelved{{}}, preload.Many(authorBooks, into), preload.Many(authorBooks, into))
	check.Error(t, "fill", err, smrt.ErrBadQuery)
	names(t, err, "the same field Held.Books of preload_test.shelved")
	own := func(a *author) *[]book { return &a.Books }
	type pupil struct {
		author
		Mentor *shelved
		Other  preload.Ref[author]
	}
	maybe := preload.Maybe(authorMentor, func(v *pupil) *preload.Ref[author] { return &v.Other })
	names(t, preload.Fill(t.Context(), deadPool(t), []pupil{{}}, maybe, maybe), "the same field Other of")
	names(t, panicOf(func() {
		preload.One(authorMentor, func(v *pupil) **shelved { return &v.Mentor },
			preload.Many(authorBooks, into), preload.Many(authorBooks, into))
	}), "the same field Held.Books")
	names(t, panicOf(func() {
		preload.One(authorMentor, func(v *pupil) **shelved { return &v.Mentor },
			preload.Many(authorBooks, func(v *shelved) *[]book { return own(&v.author) }),
			preload.Many(authorBooks, func(v *shelved) *[]book { return own(&v.author) }))
	}), "the same field author.Books")
}

// TestWrongForeignKeysSayWhatToWrite: a declaration that cannot be tells what
// would be right.
func TestWrongForeignKeysSayWhatToWrite(t *testing.T) {
	type (
		doubledKey struct{ A, B int32 }
		twice      struct{ A, B int32 }
		review     struct {
			ID      int64
			Profile pgtype.Int4
			Double  doubledKey `db:"double"`
		}
	)
	doubled := query.NewCompositeTable("doubled", query.Key[twice, doubledKey]{
		query.Part(func(v *twice) *int32 { return &v.A }, func(k *doubledKey) *int32 { return &k.A }),
		query.Part(func(v *twice) *int32 { return &v.B }, func(k *doubledKey) *int32 { return &k.B }),
	})
	for what, c := range map[string]struct {
		declare func()
		hint    string
	}{
		"another type than the key's": {
			func() {
				preload.BelongsTo(query.NewTable("reviews", func(v *review) *int64 { return &v.ID }), profiles,
					func(v *review) *pgtype.Int4 { return &v.Profile })
			},
			`column "profile" holds int32, but the key holds int64: name a field of type int64, or *int64 if it can be NULL`,
		},
		"one column for a key of two": {
			func() {
				preload.BelongsTo(query.NewTable("reviews", func(v *review) *int64 { return &v.ID }), doubled,
					func(v *review) *doubledKey { return &v.Double })
			},
			"write a query.Key with a query.Part for each of a, b",
		},
		"one column for two": {
			func() { preload.HasMany(shelves, books, query.Key[book, shelfKey]{bookPlace[0]}) },
			"write a query.Part for each of room, slot",
		},
		"a column twice": {
			func() { preload.HasMany(shelves, books, query.Key[book, shelfKey]{bookPlace[0], bookPlace[0]}) },
			`no part is for the key's column "room": write a query.Part`,
		},
	} {
		names(t, fmt.Errorf("%s: %w", what, panicOf(c.declare)), c.hint)
	}
}

// panicOf is what run panics with, as an error.
func panicOf(run func()) (err error) {
	defer func() { err = fmt.Errorf("panic: %v", recover()) }()
	run()
	return nil
}

func names(t *testing.T, err error, what string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), what) {
		t.Errorf("got %v, which does not say %q", err, what)
	}
}
