package repo_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

var (
	errGiveUp  = errors.New("the closure gives up")
	errAgain   = &pgconn.PgError{Severity: "ERROR", Code: "40001", Message: "made up"}
	liveSlug   = query.OnConflict(docSlug).Where("deleted_at IS NULL")
	everyWrite = map[string]func(context.Context, *repo.Repository[document, int64], []document) error{
		"create": func(ctx context.Context, r *repo.Repository[document, int64], ds []document) error {
			return errors.Join(r.Create(ctx, &ds[1]), r.Create(ctx, &ds[2]))
		},
		"create many": func(ctx context.Context, r *repo.Repository[document, int64], ds []document) error {
			return r.CreateMany(ctx, ds[1:])
		},
		"update": func(ctx context.Context, r *repo.Repository[document, int64], ds []document) error {
			return errors.Join(r.Update(ctx, &ds[0]), r.Update(ctx, &ds[0]))
		},
		"update many": func(ctx context.Context, r *repo.Repository[document, int64], ds []document) error {
			_, err := r.UpdateMany(ctx, ds[:1])
			return err
		},
		"upsert": func(ctx context.Context, r *repo.Repository[document, int64], ds []document) error {
			_, err := r.Upsert(ctx, &ds[1], liveSlug)
			return err
		},
		"upsert many": func(ctx context.Context, r *repo.Repository[document, int64], ds []document) error {
			_, err := r.UpsertMany(ctx, ds[1:], liveSlug)
			return err
		},
		"do nothing": func(ctx context.Context, r *repo.Repository[document, int64], ds []document) error {
			_, err := r.UpsertMany(ctx, ds[1:], liveSlug.DoNothing())
			return err
		},
	}
)

// drafts are a document that is stored and two that are not.
func (a *archive) drafts(t *testing.T) []document {
	t.Helper()
	return append(a.add(t, "stored"), document{Slug: "b", Rank: 1}, document{Slug: "c", Rank: 2, Title: "C"})
}

// TestRollbackRestoresEntities undoes each write in each way, and compares the
// entities with what they were. A transaction that is committed is the control.
func TestRollbackRestoresEntities(t *testing.T) {
	ends := map[string]func(context.Context, *archive, func(context.Context, pgx.Tx) error) error{
		"error": func(ctx context.Context, a *archive, write func(context.Context, pgx.Tx) error) error {
			return txn.Run(ctx, a.pool, func(ctx context.Context, tx pgx.Tx) error {
				return errors.Join(write(ctx, tx), errGiveUp)
			})
		},
		"panic": func(ctx context.Context, a *archive, write func(context.Context, pgx.Tx) error) (err error) {
			defer func() { _ = recover() }()
			return txn.Run(ctx, a.pool, func(ctx context.Context, tx pgx.Tx) error {
				if err = write(ctx, tx); err == nil {
					err = errGiveUp
				}
				panic("given up")
			})
		},
		"savepoint of Run": func(ctx context.Context, a *archive, write func(context.Context, pgx.Tx) error) error {
			return txn.Run(ctx, a.pool, func(ctx context.Context, tx pgx.Tx) error {
				err := txn.Run(ctx, tx, func(ctx context.Context, tx pgx.Tx) error {
					return errors.Join(write(ctx, tx), errGiveUp)
				}, txn.Options{Nested: txn.Savepoint})
				if again := write(ctx, tx); again != nil { // as if nothing had happened
					return again
				}
				return err
			})
		},
		"savepoint by hand": func(ctx context.Context, a *archive, write func(context.Context, pgx.Tx) error) error {
			return txn.Run(ctx, a.pool, func(ctx context.Context, tx pgx.Tx) error {
				sp, err := tx.Begin(ctx)
				if err == nil {
					err = errors.Join(write(ctx, sp), sp.Rollback(ctx), write(ctx, tx))
				}
				return errors.Join(err, errGiveUp)
			})
		},
		"adopted": func(ctx context.Context, a *archive, write func(context.Context, pgx.Tx) error) error {
			tx, err := a.pool.Begin(ctx)
			if err != nil {
				return err
			}
			inside, outer := txn.Adopt(ctx, a.pool, tx)
			err = errors.Join(write(inside, tx), tx.Rollback(ctx), errGiveUp)
			outer.RolledBack()
			return err
		},
		"savepoint in one by hand": func(ctx context.Context, a *archive, write func(context.Context, pgx.Tx) error) error {
			tx, err := a.pool.Begin(ctx)
			if err != nil {
				return err
			}
			err = txn.Run(ctx, tx, func(ctx context.Context, tx pgx.Tx) error { return errors.Join(write(ctx, tx), errGiveUp) })
			return errors.Join(err, tx.Rollback(ctx))
		},
	}
	a := newArchive(t)
	for what, write := range everyWrite {
		for how, end := range ends {
			t.Run(what+", "+how, func(t *testing.T) {
				exec(t, a.pool, "TRUNCATE documents")
				ds := a.drafts(t)
				before := append([]document{}, ds...)
				bound := func(ctx context.Context, tx pgx.Tx) error { return write(ctx, a.documents.With(tx), ds) }
				if err := end(t.Context(), a, bound); !errors.Is(err, errGiveUp) || errors.Is(err, smrt.ErrStale) {
					t.Fatal(err)
				}
				check.Equal(t, "after the rollback", ds, before)
				check.NoError(t, txn.Run(t.Context(), a.pool, bound))
				for i, d := range ds {
					if d.ID != 0 {
						check.Equal(t, "after the commit", ds[i], *check.Value(a.documents.Get(t.Context(), d.ID))(t))
					}
				}
				if same := ds[0].Version == before[0].Version && ds[1].ID == 0; same {
					t.Error("nothing was written")
				}
			})
		}
	}
}

// TestRollbackLeavesOtherFields changes fields after they were written: they are
// the caller's then.
func TestRollbackLeavesOtherFields(t *testing.T) {
	a := newArchive(t)
	ds := a.drafts(t)
	version := ds[0].Version
	err := txn.Run(t.Context(), a.pool, func(ctx context.Context, tx pgx.Tx) error {
		r := a.documents.With(tx)
		check.NoError(t, errors.Join(r.Update(ctx, &ds[0]), r.Create(ctx, &ds[1])))
		ds[0].Title, ds[1].ID = "by hand", 77
		return errGiveUp
	})
	check.Error(t, "rolled back", err, errGiveUp)
	check.Same(t, "a field that the write did not touch", ds[0].Title, "by hand")
	check.Same(t, "a field that it did", ds[0].Version, version)
	check.Same(t, "a field that it touched, and that was set afterwards", ds[1].ID, 77)
}

// TestFailedCallLeavesEntities lets statements fail after the server has sent
// rows, and the round trip that a statement was part of.
func TestFailedCallLeavesEntities(t *testing.T) {
	for what, write := range everyWrite {
		t.Run(what, func(t *testing.T) {
			a := newArchive(t)
			ds := a.drafts(t)
			before := append([]document{}, ds...)
			exec(t, a.pool, `CREATE FUNCTION refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'P0001'; END $$;
				CREATE CONSTRAINT TRIGGER refuses AFTER INSERT OR UPDATE ON documents DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuses()`)
			check.Equal(t, "failed", write(t.Context(), a.documents, ds) != nil, true)
			check.Equal(t, "after a failure", ds, before)
			exec(t, a.pool, "DROP TRIGGER refuses ON documents")
			err := txn.Pipeline(t.Context(), a.pool,
				func(ctx context.Context, db smrt.DB) error { return a.documents.With(db).Create(ctx, &ds[1]) },
				func(ctx context.Context, db smrt.DB) error { _, err := db.Exec(ctx, "SELECT 1 / 0"); return err })
			check.Equal(t, "failed", err != nil, true)
			check.Equal(t, "after a failed round trip", ds, before)
			check.NoError(t, write(t.Context(), a.documents, ds))
		})
	}
	t.Run("rows before the one that fails", func(t *testing.T) {
		a := newArchive(t)
		ds := make([]document, 20_100) // several statements
		for i := range ds {
			ds[i].Slug = "d" + string(rune('a'+i%26)) + string(rune(0x4e00+i))
		}
		ds[len(ds)-1].Slug = ds[0].Slug
		before := append([]document{}, ds...)
		check.Error(t, "create", a.documents.CreateMany(t.Context(), ds), smrt.ErrConflict)
		check.Equal(t, "the same", ds, before)
	})
}

// TestEntitiesOfUnknownEnd: nobody can say what is right, so that nothing is
// changed.
func TestEntitiesOfUnknownEnd(t *testing.T) {
	a := newArchive(t)
	ds := a.drafts(t)
	tx := check.Value(a.pool.Begin(t.Context()))(t)
	check.NoError(t, a.documents.With(tx).Create(t.Context(), &ds[1]))
	check.NoError(t, tx.Rollback(t.Context()))
	check.Same(t, "begun by hand: has a key", ds[1].ID != 0, true)
	err := txn.Run(t.Context(), a.pool, func(ctx context.Context, tx pgx.Tx) error {
		if err := a.documents.With(tx).Create(ctx, &ds[2]); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
			CREATE CONSTRAINT TRIGGER dies AFTER UPDATE ON documents DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dies();
			UPDATE documents SET rank = 0`)
		return err
	})
	check.Error(t, "the connection was lost in COMMIT", err, smrt.ErrCommitUnknown)
	check.Same(t, "unknown commit: has a key", ds[2].ID != 0, true)
}

// attempts makes random transactions: closures that write, nest and fail.
type attempts struct {
	*rand.Rand
	t  *testing.T
	a  *archive
	ds []document
}

// same compares the entities with what they were, but for the field that the
// closure itself sets.
func (m *attempts) same(what string, before []document) {
	m.t.Helper()
	now := append([]document{}, m.ds...)
	for i := range now {
		now[i].Rank = before[i].Rank
	}
	check.Equal(m.t, what, now, before)
}

// level is one closure. It fails by its own error, or by one that repeats
// everything.
func (m *attempts) level(depth int) txn.Func {
	return func(ctx context.Context, tx pgx.Tx) error {
		for range 1 + m.IntN(4) {
			if err := m.step(ctx, tx, depth); err != nil {
				return err
			}
		}
		switch m.IntN(5) {
		case 0:
			return errGiveUp
		case 1:
			return errAgain
		}
		return nil
	}
}

func (m *attempts) step(ctx context.Context, tx pgx.Tx, depth int) error {
	r, i := m.a.documents.With(tx), m.IntN(len(m.ds))
	d := &m.ds[i]
	d.Rank = int32(m.IntN(100))
	switch k := m.IntN(4); {
	case k == 0 && depth < 3:
		before := append([]document{}, m.ds...)
		err := txn.Run(ctx, tx, m.level(depth+1), txn.Options{Nested: txn.Savepoint})
		if errors.Is(err, errGiveUp) {
			m.same("after a savepoint", before)
			err = nil
		}
		return err
	case k == 1:
		_, err := r.UpsertMany(ctx, m.ds, liveSlug)
		return err
	case d.ID == 0:
		return r.Create(ctx, d)
	case k == 2:
		_, err := r.UpdateMany(ctx, m.ds[i:i+1])
		return err
	}
	return r.Update(ctx, d)
}

// TestAttemptsLeaveNoTrace runs random transactions and compares the entities:
// after each rollback with what they were, after each commit with their rows.
func TestAttemptsLeaveNoTrace(t *testing.T) {
	m := &attempts{Rand: check.Random(t), t: t, a: newArchive(t)}
	for _, slug := range []string{"a", "b", "c", "d"} {
		m.ds = append(m.ds, document{Slug: slug, Title: "Title of " + slug})
	}
	outcomes := map[bool]int{}
	for range 60 {
		before := append([]document{}, m.ds...)
		attempt := 0
		err := txn.Run(t.Context(), m.a.pool, func(ctx context.Context, tx pgx.Tx) error {
			if attempt++; attempt > 1 {
				m.same("before another attempt", before)
			}
			return m.level(0)(ctx, tx)
		})
		outcomes[err == nil]++
		if err != nil {
			if !errors.Is(err, errGiveUp) && !errors.Is(err, smrt.ErrRetriesExhausted) {
				t.Fatal(err)
			}
			m.same("after a rollback", before)
			continue
		}
		for _, d := range m.ds {
			if d.ID == 0 {
				continue
			}
			row := *check.Value(m.a.documents.Get(t.Context(), d.ID))(t)
			row.Rank = d.Rank
			check.Equal(t, "after a commit", d, row)
		}
	}
	check.Same(t, "committed and rolled back", outcomes[true] > 0 && outcomes[false] > 0, true)
}

func exec(t *testing.T, db smrt.DB, sql string) {
	t.Helper()
	_, err := db.Exec(t.Context(), sql)
	check.NoError(t, err)
}
