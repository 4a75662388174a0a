package unit_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/unit"
)

// TestParentsFirst proves that the order of adding does not matter: tables are
// ordered by their foreign keys.
func TestParentsFirst(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	r := report{ID: 77, Slug: "r"}
	n := note{Report: 77, Body: "n"}
	b := badge{Report: 77, Color: "red"}
	p := pin{Badge: 77}
	unit.Create(u, pins, &p)
	unit.Create(u, notes, &n)
	unit.Create(u, badges, &b)
	unit.Create(u, reports, &r)
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	unit.HardDelete(u, reports, 77)
	unit.Delete(u, badges, 77)
	unit.Delete(u, notes, n.ID)
	unit.Delete(u, pins, p.ID)
	l.sent.Reset()
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "rows left", one[int64](t, l, "SELECT count(*) FROM (SELECT FROM reports UNION ALL SELECT FROM notes UNION ALL SELECT FROM badges UNION ALL SELECT FROM pins) x"), 0)
}

// TestSharedKey proves that a row whose key is that of another can be referred
// to in turn, before either key is known.
func TestSharedKey(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	r, b, p := report{Slug: "r"}, badge{Color: "red"}, pin{}
	rk := unit.Create(u, reports, &r)
	bk := unit.Create(u, badges, &b, unit.Refer(badgeReport, rk))
	unit.Create(u, pins, &p, unit.Refer(pinBadge, bk))
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "keys", []int64{b.Report, p.Badge}, []int64{r.ID, r.ID})
}

// TestTree proves that rows which refer to rows of their own table are created
// level by level, and that those of a level are one statement.
func TestTree(t *testing.T) {
	l := newLeague(t)
	grow := func() (all []*node) {
		u := unit.New()
		var level []unit.Key[int32]
		for depth := range 4 {
			var next []unit.Key[int32]
			for i := range max(1, 2*len(level)) {
				n := &node{Label: fmt.Sprint(depth, "-", i)}
				all = append(all, n)
				var refs []unit.Reference[node]
				if depth > 0 {
					refs = append(refs, unit.Refer(nodeParent, level[i/2]))
				}
				next = append(next, unit.Create(u, nodes, n, refs...))
			}
			level = next
		}
		_, err := u.Flush(t.Context(), l)
		check.NoError(t, err)
		return all
	}
	grow()
	l.sent.Reset()
	all := grow()
	check.Equal(t, "round trips", l.sent.Sends(), 1)
	check.Equal(t, "statements", shapes(l.sent.Statements()), "begin, insert nodes, insert nodes, insert nodes, insert nodes, commit")
	for i, n := range all[1:] {
		if parent := all[i/2]; n.Parent == nil || *n.Parent != parent.ID || n.ID == 0 {
			t.Errorf("node %s: %+v, want parent %d", n.Label, n, parent.ID)
		}
	}
	check.Equal(t, "in the database", one[int64](t, l, "SELECT count(*) FROM nodes n JOIN nodes p ON p.id = n.parent"), 28)
}

// TestOpenableRing proves that rows of two tables can refer to each other
// through a column that can be NULL.
func TestOpenableRing(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	var ts [3]team
	var ps [3]player
	for i := range ts {
		ts[i].Name, ps[i].Name = fmt.Sprint("team", i), fmt.Sprint("player", i)
		tk := unit.Create(u, teams, &ts[i])
		pk := unit.Create(u, players, &ps[i], unit.Refer(playerTeam, tk))
		unit.Link(u, &ts[i], unit.Refer(captain, pk))
	}
	sum, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "summary", sum.String(), "teams: 3 created; players: 3 created")
	for i := range ts {
		if ts[i].Captain == nil || *ts[i].Captain != ps[i].ID || ps[i].Team != ts[i].ID {
			t.Errorf("%+v %+v", ts[i], ps[i])
		}
	}
	check.Equal(t, "in the database", one[int64](t, l, "SELECT count(*) FROM teams JOIN players ON captain = players.id AND team = teams.id"), 3)

	for i := range ts {
		unit.Delete(u, teams, ts[i].ID)
		unit.Delete(u, players, ps[i].ID)
	}
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "left", one[int64](t, l, "SELECT count(*) FROM teams"), 0)
}

// TestDeferrableRing proves the same for constraints that can be checked at the
// end.
func TestDeferrableRing(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	var hs [3]hen
	var es [3]egg
	for i := range hs {
		hk := unit.Create(u, hens, &hs[i])
		ek := unit.Create(u, eggs, &es[i], unit.Refer(eggHen, hk))
		unit.Link(u, &hs[i], unit.Refer(henEgg, ek))
	}
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	for i := range hs {
		if hs[i].ID == 0 || hs[i].Egg != es[i].ID || es[i].Hen != hs[i].ID {
			t.Errorf("%+v %+v", hs[i], es[i])
		}
		unit.Delete(u, hens, hs[i].ID)
		unit.Delete(u, eggs, es[i].ID)
	}
	check.Equal(t, "in the database", one[int64](t, l, "SELECT count(*) FROM hens JOIN eggs ON egg = eggs.id AND hen = hens.id"), 3)
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "left", one[int64](t, l, "SELECT count(*) FROM hens"), 0)
}

// TestClosedRing proves that a ring which cannot be opened is refused with its
// name, and that tables which could form one are not where rows do not.
func TestClosedRing(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	unit.Create(u, locks, &lock{ID: "l", Key: "k"})
	unit.Create(u, keys, &key{ID: "k", Lock: "l"})
	_, err := u.Flush(t.Context(), l)
	var ring *unit.CycleError
	if !errors.As(err, &ring) || !errors.Is(err, smrt.ErrBadQuery) {
		t.Fatalf("got %v", err)
	}
	check.Equal(t, "ring", *ring, unit.CycleError{Tables: []string{"locks", "keys"}, Constraints: []string{"locks_key_fkey", "keys_lock_fkey"}})
	check.Equal(t, "left in the unit", u.Len(), 2)

	exec(t, l, "BEGIN; SET session_replication_role = replica; INSERT INTO locks VALUES ('l', 'k'); INSERT INTO keys VALUES ('k', 'l'); COMMIT; SET session_replication_role = origin")
	u.Discard()
	unit.Create(u, keys, &key{ID: "k2", Lock: "l2"})
	unit.Create(u, locks, &lock{ID: "l2", Key: "k"})
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
}

// TestUUIDs proves that keys of other types reach other rows too, to several
// parents at once.
func TestUUIDs(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	ks := []ticket{{Label: "a"}, {Label: "b"}, {Label: "c", ID: pgtype.UUID{Bytes: [16]byte{1}, Valid: true}}}
	ids := unit.CreateMany(u, tickets, ks)
	ss := make([]stub, 9)
	for i := range ss {
		ss[i].Seat = int32(i)
		unit.Create(u, stubs, &ss[i], unit.Refer(stubTicket, ids[i%3]))
	}
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	for i := range ss {
		if !ss[i].ID.Valid || ss[i].Ticket != ks[i%3].ID {
			t.Errorf("stub %d: %+v", i, ss[i])
		}
	}
	check.Equal(t, "in the database", text(t, l, "label || seat", "stubs JOIN tickets ON ticket = tickets.id"), "a0 a3 a6 b1 b4 b7 c2 c5 c8")
}

// TestThen proves that Then separates what would otherwise be sorted.
func TestThen(t *testing.T) {
	l := newLeague(t)
	exec(t, l, "INSERT INTO vouchers VALUES ('a', 1)")
	u := unit.New()
	unit.Delete(u, vouchers, "a")
	unit.Create(u, vouchers, &voucher{Code: "a", Uses: 2})
	_, err := u.Flush(t.Context(), l)
	check.Error(t, "one row twice", err, smrt.ErrDuplicateInBatch)
	u.Discard()
	unit.Delete(u, vouchers, "a")
	u.Then()
	unit.Create(u, vouchers, &voucher{Code: "a", Uses: 2})
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "vouchers", text(t, l, "code || uses", "vouchers"), "a2")
}

// TestBadReferences proves which keys are refused.
func TestBadReferences(t *testing.T) {
	l := newLeague(t)
	for what, add := range map[string]func(u *unit.Unit){
		"zero key": func(u *unit.Unit) { unit.Create(u, notes, &note{}, unit.Refer(noteReport, unit.Key[int64]{})) },
		"another unit": func(u *unit.Unit) {
			unit.Create(u, notes, &note{}, unit.Refer(noteReport, unit.Create(unit.New(), reports, &report{})))
		},
		"discarded": func(u *unit.Unit) {
			k := unit.Create(u, reports, &report{})
			u.Discard()
			unit.Create(u, notes, &note{}, unit.Refer(noteReport, k))
		},
		"created later": func(u *unit.Unit) {
			k := unit.Create(u, reports, &report{})
			first := &note{}
			unit.Create(u, notes, first, unit.Refer(noteReport, k))
			u.Then()
			later := unit.Create(u, notes, &note{}, unit.Refer(noteReport, k))
			unit.Link(u, first, unit.Refer(noteReplyTo, later))
		},
		"twice": func(u *unit.Unit) {
			k := unit.Create(u, reports, &report{})
			unit.Create(u, notes, &note{}, unit.Refer(noteReport, k), unit.Refer(noteReport, k))
		},
	} {
		u := unit.New()
		add(u)
		_, err := u.Flush(t.Context(), l)
		check.Error(t, what, err, smrt.ErrBadQuery)
	}
	check.Equal(t, "reports", one[int64](t, l, "SELECT count(*) FROM reports"), 0)
}

// TestAcrossThen proves that keys reach rows that are created after Then, and
// rows of a later flush.
func TestAcrossThen(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	r := report{Slug: "r"}
	k := unit.Create(u, reports, &r)
	h, e := hen{}, egg{}
	hk := unit.Create(u, hens, &h)
	unit.Link(u, &h, unit.Refer(henEgg, unit.Create(u, eggs, &e, unit.Refer(eggHen, hk))))
	u.Then()
	ns := []note{{Body: "x"}, {Body: "y"}}
	unit.CreateMany(u, notes, ns, unit.Refer(noteReport, k))
	second := egg{}
	unit.Create(u, eggs, &second, unit.Refer(eggHen, hk))
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "reports", []int64{ns[0].Report, ns[1].Report}, []int64{r.ID, r.ID})
	check.Equal(t, "hens", []int64{e.Hen, second.Hen}, []int64{h.ID, h.ID})

	n := note{Body: "z"}
	unit.Create(u, notes, &n, unit.Refer(noteReport, k))
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "later", n.Report, r.ID)
	check.Equal(t, "in the database", text(t, l, "body || (report = "+fmt.Sprint(r.ID)+")", "notes"), "xtrue ytrue ztrue")
}

// TestValues proves that rows which refer to each other by values of the program
// are ordered too, where their table refers to itself, whatever the order and
// the shape.
func TestValues(t *testing.T) {
	l := newLeague(t)
	exec(t, l, "CREATE TABLE areas (code text PRIMARY KEY, parent text REFERENCES areas, size integer NOT NULL DEFAULT 7)")
	type area struct {
		Code   string
		Parent *string
		Size   int32
	}
	areas := query.NewTable("areas", func(a *area) *string { return &a.Code },
		query.Default(query.Col(func(a *area) *int32 { return &a.Size })))
	u := unit.New()
	as := []area{{"c", ptr("b"), 0}, {"b", ptr("a"), 1}, {"a", nil, 0}, {"d", ptr("d"), 2}}
	unit.CreateMany(u, areas, as)
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "areas", text(t, l, "code || coalesce(parent, '-') || size", "areas"), "a-7 ba1 cb7 dd2")
	check.Equal(t, "read back", []int32{as[0].Size, as[1].Size}, []int32{7, 1})
}

// TestLinkNothing proves that Link is refused for what the unit does not create.
func TestLinkNothing(t *testing.T) {
	u := unit.New()
	unit.Link(u, &team{}, unit.Refer(captain, unit.Create(u, players, &player{})))
	_, err := u.Flush(t.Context(), newLeague(t))
	check.Error(t, "link", err, smrt.ErrBadQuery)
}
