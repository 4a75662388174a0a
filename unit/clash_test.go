package unit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/unit"
)

// TestClashes proves that two writes of one row are refused before anything is
// sent, with both named, unless they are patches or Then is between them.
func TestClashes(t *testing.T) {
	l := newLeague(t)
	writes := map[string]func(u *unit.Unit, code string){
		"create": func(u *unit.Unit, code string) { unit.Create(u, vouchers, &voucher{Code: code}) },
		"update": func(u *unit.Unit, code string) { unit.Update(u, vouchers, &voucher{Code: code, Uses: 2}) },
		"patch":  func(u *unit.Unit, code string) { unit.Patch(u, vouchers, code, query.Add(uses, 1)) },
		"delete": func(u *unit.Unit, code string) { unit.Delete(u, vouchers, code) },
	}
	for first, a := range writes {
		for second, b := range writes {
			exec(t, l, "TRUNCATE vouchers")
			exec(t, l, "INSERT INTO vouchers VALUES ('a', 1), ('b', 1)")
			u := unit.New()
			unit.Patch(u, vouchers, "b", uses.Set(7))
			a(u, "a")
			b(u, "a")
			l.sent.Reset()
			_, err := u.Flush(t.Context(), l)
			what := first + " and " + second
			switch what {
			case "patch and patch":
				check.NoError(t, err)
				continue
			case "create and create":
				check.Error(t, what, err, smrt.ErrConflict)
				continue
			}
			check.Error(t, what, err, smrt.ErrDuplicateInBatch)
			check.Equal(t, what+": sent", l.sent.Sends(), 0)
			var row *unit.RowError
			var twice *smrt.DuplicateError
			if !errors.As(err, &row) || !errors.As(err, &twice) || row.Index != 2 || row.Op != second || twice.Rows != [2]int{1, 2} {
				t.Errorf("%s: %v, %+v", what, row, twice)
			}
			for _, name := range []string{first + " (write 1)", second + " (write 2)"} {
				if !strings.Contains(err.Error(), name) {
					t.Errorf("%s is not named in %v", name, err)
				}
			}
		}
	}
	exec(t, l, "TRUNCATE vouchers")
	u := unit.New()
	for _, what := range []string{"create", "update", "patch", "delete", "create"} {
		writes[what](u, "a")
		u.Then()
	}
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "vouchers", text(t, l, "code || uses", "vouchers"), "a0")

	// Keys of other types, and rows that only look alike.
	unit.Patch(u, tiles, tileKey{1, 2}, tileLabel.Set("x"))
	unit.Delete(u, tiles, tileKey{2, 1})
	unit.Update(u, tiles, &tile{X: 1, Y: 2})
	_, err = u.Flush(t.Context(), l)
	check.Error(t, "composite key", err, smrt.ErrDuplicateInBatch)
	u.Discard()
	unit.Create(u, reports, &report{Slug: "a"})
	unit.Create(u, reports, &report{Slug: "b"})
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
}

// TestSameEntity proves what becomes of an entity that is added more than once.
func TestSameEntity(t *testing.T) {
	l := newLeague(t)
	r := stored(t, l, "r")[0]
	for what, add := range map[string]func(u *unit.Unit){
		"created twice":       func(u *unit.Unit) { e := &report{}; unit.Create(u, reports, e); unit.Create(u, reports, e) },
		"created and removed": func(u *unit.Unit) { e := &report{}; unit.Create(u, reports, e); unit.Remove(u, reports, e) },
		"updated and removed": func(u *unit.Unit) { unit.Update(u, reports, &r); unit.Remove(u, reports, &r) },
		"removed and updated": func(u *unit.Unit) { unit.Remove(u, reports, &r); unit.Update(u, reports, &r) },
		"removed twice":       func(u *unit.Unit) { unit.Remove(u, reports, &r); unit.Remove(u, reports, &r) },
	} {
		u := unit.New()
		add(u)
		_, err := u.Flush(t.Context(), l)
		check.Error(t, what, err, smrt.ErrBadQuery)
		var row *unit.RowError
		if !errors.As(err, &row) || row.Index != 1 {
			t.Errorf("%s: %+v", what, row)
		}
	}
	u := unit.New()
	e := report{Slug: "e"}
	unit.Create(u, reports, &e)
	unit.Update(u, reports, &e)
	unit.Update(u, reports, &r)
	r.Rank = 6
	unit.Update(u, reports, &r)
	e.Rank = 3 // the values at the flush count
	check.Equal(t, "writes", u.Len(), 2)
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "reports", text(t, l, state, "reports"), "e31 r62")
}

// TestJoinedRowIsFound proves that in a transaction that was joined the row is
// found among thousands, that what was written in it before is not lost sight
// of, and that the transaction has failed when the search is over.
func TestJoinedRowIsFound(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(1))
	exec(t, l, "INSERT INTO vouchers VALUES ('old', 1)")
	for _, at := range []int{0, 1, 63, 64, 2999} {
		tx, err := l.Begin(t.Context())
		check.NoError(t, err)
		exec(t, tx, "INSERT INTO vouchers VALUES ('mine', 1)")
		vs := make([]voucher, 3000)
		for i := range vs {
			vs[i].Code = fmt.Sprint("code ", i)
		}
		vs[at].Code = "mine" // a conflict with what the transaction itself has written
		u := unit.New()
		unit.Create(u, reports, &report{Slug: "r"})
		unit.CreateMany(u, vouchers, vs)
		_, err = u.Flush(t.Context(), tx)
		check.Error(t, "conflict", err, smrt.ErrConflict)
		var row *unit.RowError
		if !errors.As(err, &row) || row.Index != at+1 || row.Entity != any(&vs[at]) {
			t.Errorf("row %d: %v", at, err)
		}
		check.Equal(t, "status", tx.Conn().PgConn().TxStatus(), byte('E'))
		check.Error(t, "commit", tx.Commit(t.Context()), pgx.ErrTxCommitRollback)
	}
	check.Equal(t, "vouchers", text(t, l, "code", "vouchers"), "old")
}

// TestJoinedRowIsGone proves that a unit which failed is not written because
// what it failed for does not happen again while the row is searched.
func TestJoinedRowIsGone(t *testing.T) {
	l := newLeague(t)
	exec(t, l, "CREATE SEQUENCE tries")
	exec(t, l, `CREATE FUNCTION once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF nextval('tries') = 1 THEN RAISE EXCEPTION 'once' USING ERRCODE = '23514'; END IF; RETURN NEW; END $$`)
	exec(t, l, "CREATE TRIGGER once BEFORE INSERT ON vouchers FOR EACH ROW EXECUTE FUNCTION once()")
	err := pgx.BeginFunc(t.Context(), l, func(tx pgx.Tx) error {
		u := unit.New()
		unit.CreateMany(u, vouchers, []voucher{{Code: "a"}, {Code: "b"}})
		_, err := u.Flush(t.Context(), tx)
		check.Error(t, "check", err, smrt.ErrCheck)
		var row *unit.RowError
		if !errors.As(err, &row) || row.Index != -1 {
			t.Errorf("got %v", err)
		}
		return nil // swallows it
	})
	check.NoError(t, err)
	check.Equal(t, "tries", one[int64](t, l, "SELECT last_value FROM tries"), 3)
	check.Equal(t, "vouchers", one[int64](t, l, "SELECT count(*) FROM vouchers"), 0)
}
