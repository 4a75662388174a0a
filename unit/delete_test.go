package unit_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/unit"
)

// TestDeleteTree proves that rows of a table that refers to itself are deleted
// together, also if that takes several statements.
func TestDeleteTree(t *testing.T) {
	l := newLeague(t)
	exec(t, l, "CREATE TABLE twigs (id bigint PRIMARY KEY, parent bigint REFERENCES twigs, version bigint NOT NULL DEFAULT 1); CREATE INDEX ON twigs (parent)")
	type twig struct {
		ID      int64
		Parent  *int64
		Version int64
	}
	twigs := query.NewTable("twigs", func(w *twig) *int64 { return &w.ID }, query.Version(func(w *twig) *int64 { return &w.Version }))
	exec(t, l, "INSERT INTO twigs SELECT i, nullif(i - 1, 0) FROM generate_series(1, 10) AS i")
	u := unit.New()
	for id := range int64(10) {
		if id%2 == 0 { // with and without a check of the version: two statements
			unit.Delete(u, twigs, id+1)
		} else {
			unit.Remove(u, twigs, &twig{ID: id + 1, Version: 1})
		}
	}
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "left", one[int64](t, l, "SELECT count(*) FROM twigs"), 0)

	const many = 21_000
	exec(t, l, "INSERT INTO twigs SELECT i, nullif(i / 2, 0) FROM generate_series(1, $1) AS i", many)
	for id := range int64(many) {
		unit.Delete(u, twigs, id+1)
	}
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "left", one[int64](t, l, "SELECT count(*) FROM twigs"), 0)
}

// TestDeleteRing proves that a ring whose columns belong to a key with another
// column is opened at the one that can be NULL.
func TestDeleteRing(t *testing.T) {
	l := newLeague(t)
	exec(t, l, `CREATE TABLE shelves (tenant integer, id integer, best integer, PRIMARY KEY (tenant, id))`)
	exec(t, l, `CREATE TABLE books (tenant integer, id integer, shelf integer NOT NULL, PRIMARY KEY (tenant, id), FOREIGN KEY (tenant, shelf) REFERENCES shelves)`)
	exec(t, l, `ALTER TABLE shelves ADD FOREIGN KEY (tenant, best) REFERENCES books`)
	type place struct{ Tenant, ID int32 }
	type shelf struct {
		Tenant, ID int32
		Best       *int32
	}
	type book struct{ Tenant, ID, Shelf int32 }
	shelves := query.NewCompositeTable("shelves", query.Key[shelf, place]{
		query.Part(func(s *shelf) *int32 { return &s.Tenant }, func(k *place) *int32 { return &k.Tenant }),
		query.Part(func(s *shelf) *int32 { return &s.ID }, func(k *place) *int32 { return &k.ID }),
	})
	books := query.NewCompositeTable("books", query.Key[book, place]{
		query.Part(func(b *book) *int32 { return &b.Tenant }, func(k *place) *int32 { return &k.Tenant }),
		query.Part(func(b *book) *int32 { return &b.ID }, func(k *place) *int32 { return &k.ID }),
	})
	u := unit.New()
	unit.Create(u, shelves, &shelf{1, 2, ptr(int32(3))})
	unit.Create(u, books, &book{1, 3, 2})
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "created", text(t, l, "best || '-' || shelf", "shelves JOIN books ON best = books.id"), "3-2")
	unit.Delete(u, shelves, place{1, 2})
	unit.Delete(u, books, place{1, 3})
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "left", one[int64](t, l, "SELECT count(*) FROM shelves"), 0)
}

// TestDeleteClosedRing proves that a ring which nothing opens is named when rows
// of it are in the way, and that rows which are in none can be deleted.
func TestDeleteClosedRing(t *testing.T) {
	l := newLeague(t)
	exec(t, l, "BEGIN; SET session_replication_role = replica; INSERT INTO locks VALUES ('l', 'k'), ('l2', 'k'); INSERT INTO keys VALUES ('k', 'l'); COMMIT; SET session_replication_role = origin")
	u := unit.New()
	unit.Delete(u, locks, "l")
	unit.Delete(u, keys, "k")
	_, err := u.Flush(t.Context(), l)
	check.Error(t, "ring", err, smrt.ErrForeignKey, smrt.ErrBadQuery)
	var ring *unit.CycleError
	if !errors.As(err, &ring) {
		t.Fatalf("got %v", err)
	}
	slices.Sort(ring.Constraints)
	check.Equal(t, "constraints", ring.Constraints, []string{"keys_lock_fkey", "locks_key_fkey"})
	u.Discard()
	unit.Delete(u, locks, "l2")
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "locks", text(t, l, "id", "locks"), "l")
}

// TestSoftDeleteKeepsReferences proves that rows which are only marked as deleted
// keep what they refer to, in a ring too.
func TestSoftDeleteKeepsReferences(t *testing.T) {
	l := newLeague(t)
	exec(t, l, "CREATE TABLE clubs (id bigint PRIMARY KEY, head bigint, deleted_at timestamptz)")
	exec(t, l, "CREATE TABLE members (id bigint PRIMARY KEY, club bigint NOT NULL REFERENCES clubs, deleted_at timestamptz)")
	exec(t, l, "ALTER TABLE clubs ADD FOREIGN KEY (head) REFERENCES members")
	exec(t, l, "INSERT INTO clubs VALUES (1); ")
	exec(t, l, "INSERT INTO members VALUES (1, 1)")
	exec(t, l, "UPDATE clubs SET head = 1")
	type club struct {
		ID        int64
		Head      *int64
		DeletedAt *time.Time
	}
	type member struct {
		ID, Club  int64
		DeletedAt *time.Time
	}
	clubs := query.NewTable("clubs", func(c *club) *int64 { return &c.ID }, query.SoftDelete(func(c *club) **time.Time { return &c.DeletedAt }))
	members := query.NewTable("members", func(m *member) *int64 { return &m.ID }, query.SoftDelete(func(m *member) **time.Time { return &m.DeletedAt }))
	u := unit.New()
	unit.Delete(u, clubs, 1)
	unit.Delete(u, members, 1)
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "club", text(t, l, "head || (deleted_at IS NOT NULL)::text", "clubs"), "1true")
	unit.HardDelete(u, clubs, 1)
	unit.HardDelete(u, members, 1)
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "left", one[int64](t, l, "SELECT count(*) FROM clubs"), 0)
}

// TestDeferredEndsWithTheUnit proves that constraints which a joined unit defers
// are checked when it ends, and immediate again behind it.
func TestDeferredEndsWithTheUnit(t *testing.T) {
	l := newLeague(t)
	err := pgx.BeginFunc(t.Context(), l, func(tx pgx.Tx) error {
		u := unit.New()
		var h hen
		var e egg
		hk := unit.Create(u, hens, &h)
		unit.Link(u, &h, unit.Refer(henEgg, unit.Create(u, eggs, &e, unit.Refer(eggHen, hk))))
		if _, err := u.Flush(t.Context(), tx); err != nil {
			return err
		}
		for _, orphan := range []string{"INSERT INTO eggs (hen) VALUES (4711)", "INSERT INTO hens (egg) VALUES (4711)"} {
			err := pgx.BeginFunc(t.Context(), tx, func(tx pgx.Tx) error {
				if _, err := tx.Exec(t.Context(), orphan); err == nil {
					t.Errorf("%s: the constraint is still deferred", orphan)
				}
				return pgx.ErrNoRows
			})
			check.Error(t, orphan, err, pgx.ErrNoRows)
		}
		return nil
	})
	check.NoError(t, err)

	var hs [2]hen // a hen that stays needs the egg that goes
	var es [2]egg
	u := unit.New()
	for i := range hs {
		hk := unit.Create(u, hens, &hs[i])
		unit.Link(u, &hs[i], unit.Refer(henEgg, unit.Create(u, eggs, &es[i], unit.Refer(eggHen, hk))))
	}
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
	unit.Delete(u, eggs, es[0].ID)
	unit.Delete(u, hens, hs[1].ID)
	tx, err := l.Begin(t.Context())
	check.NoError(t, err)
	_, err = u.Flush(t.Context(), tx)
	check.Error(t, "in the transaction", err, smrt.ErrForeignKey)
	check.NoError(t, tx.Rollback(t.Context()))
	_, err = u.Flush(t.Context(), l)
	check.Error(t, "alone", err, smrt.ErrForeignKey)
	check.Equal(t, "hens", fmt.Sprint(one[int64](t, l, "SELECT count(*) FROM hens")), "3")
}
