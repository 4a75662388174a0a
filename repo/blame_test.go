package repo_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// gadget has columns of types that refuse many values of its fields.
type gadget struct {
	ID    int64
	Code  string
	Size  string
	Ratio float64
	Made  string
	Whole *int64
}

var gadgetTable = query.NewTable("parts", func(p *gadget) *int64 { return &p.ID })

const gadgetSQL = `CREATE TYPE size AS ENUM ('small', 'large');
	CREATE TABLE parts (id bigint PRIMARY KEY, code varchar(5) NOT NULL UNIQUE, size size NOT NULL, ratio numeric(4,2) NOT NULL,
		made date NOT NULL, whole bigint REFERENCES parts, CONSTRAINT whole_part CHECK (whole <> id))`

// spare opens a second connection, so that on a busy machine nobody gives up while
// one is opened.
func spare(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	one, two := check.Value(pool.Acquire(t.Context()))(t), check.Value(pool.Acquire(t.Context()))(t)
	one.Release()
	two.Release()
}

func goodGadget(id int64) gadget {
	return gadget{ID: id, Code: "c" + string(rune('a'+id)), Size: "small", Made: "2020-01-01"}
}

// TestRefusedValuesAreNamed spoils one value of one row, and asks the error which.
func TestRefusedValuesAreNamed(t *testing.T) {
	pool := testdb.Pool(t, testdb.SQL("parts", gadgetSQL), testdb.MaxConns(2))
	spare(t, pool)
	r := repo.New(pool, gadgetTable)
	first := goodGadget(1)
	check.NoError(t, r.Create(t.Context(), &first))
	for column, c := range map[string]struct {
		spoil func(*gadget)
		want  error
	}{
		"code":  {func(p *gadget) { p.Code = "secret" }, smrt.ErrOutOfRange},
		"size":  {func(p *gadget) { p.Size = "secret" }, smrt.ErrWrongType},
		"ratio": {func(p *gadget) { p.Ratio = 12345 }, smrt.ErrOutOfRange},
		"made":  {func(p *gadget) { p.Made = "secret" }, smrt.ErrWrongType},
	} {
		ps := make([]gadget, 9)
		for i := range ps {
			ps[i] = goodGadget(int64(i + 2))
		}
		c.spoil(&ps[6])
		named := func(what string, err error, row int) {
			t.Helper()
			var bad *smrt.ValueError
			if !errors.Is(err, c.want) || !errors.As(err, &bad) || bad.Column != column || bad.Row != row || bad.Table != "parts" || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s, %s: got %v, want %v of row %d", what, column, err, c.want, row)
			}
		}
		named("create many", r.CreateMany(t.Context(), ps), 6)
		one := ps[6]
		named("create", r.Create(t.Context(), &one), -1)
		named("in a transaction", txn.Run(t.Context(), pool, func(ctx context.Context, tx pgx.Tx) error {
			return r.With(tx).CreateMany(ctx, ps)
		}), 6)
		spoiled := first
		c.spoil(&spoiled)
		named("update", r.Update(t.Context(), &spoiled), -1)
	}
}

// TestViolatingRowsAreNamed: so are the columns, in a transaction for the first time
// too.
func TestViolatingRowsAreNamed(t *testing.T) {
	pool := testdb.Pool(t, testdb.SQL("parts", gadgetSQL), testdb.MaxConns(2))
	spare(t, pool)
	r := repo.New(pool, gadgetTable)
	ps := []gadget{goodGadget(1), goodGadget(2), goodGadget(3), goodGadget(4)}
	ps[3].Code = ps[1].Code
	var violated *smrt.ConstraintError
	err := txn.Run(t.Context(), pool, func(ctx context.Context, tx pgx.Tx) error { return r.With(tx).CreateMany(ctx, ps) })
	check.Error(t, "a duplicate", err, smrt.ErrConflict)
	check.Same(t, "has a constraint", errors.As(err, &violated), true)
	check.Equal(t, "rows", violated.Rows, []int{1, 3})
	check.Equal(t, "columns", violated.Columns, []string{"code"})
	ps[3] = goodGadget(4)
	ps[3].Whole = &ps[3].ID
	err = txn.Run(t.Context(), pool, func(ctx context.Context, tx pgx.Tx) error { return r.With(tx).Create(ctx, &ps[3]) })
	check.Error(t, "a check", err, smrt.ErrCheck)
	check.Same(t, "has a constraint", errors.As(err, &violated), true)
	check.Same(t, "columns", len(violated.Columns), 2)

	check.NoError(t, r.CreateMany(t.Context(), []gadget{goodGadget(1), goodGadget(2)}))
	for what, again := range map[string]func() error{
		"pool": func() error { return r.CreateMany(t.Context(), []gadget{goodGadget(5), goodGadget(2), goodGadget(1)}) },
		"transaction": func() error {
			return txn.Run(t.Context(), pool, func(ctx context.Context, tx pgx.Tx) error {
				return r.With(tx).CreateMany(ctx, []gadget{goodGadget(5), goodGadget(2), goodGadget(1)})
			})
		},
	} {
		err = again()
		check.Same(t, what+": has a constraint", errors.As(err, &violated), true)
		check.Equal(t, what+": the first row that exists", violated.Rows, []int{1})
	}
	orphans := []gadget{goodGadget(5), goodGadget(6), goodGadget(8)}
	one, none := int64(1), int64(99)
	orphans[1].Whole, orphans[2].Whole = &one, &none
	err = r.CreateMany(t.Context(), orphans)
	check.Same(t, "orphan: has a constraint", errors.As(err, &violated), true)
	check.Equal(t, "the orphan", violated.Rows, []int{2})
	a := newArchive(t)
	deleted, live := a.add(t, "deleted")[0], a.add(t, "live")[0]
	check.NoError(t, a.documents.Delete(t.Context(), deleted.ID))
	err = a.documents.CreateMany(t.Context(), []document{{Slug: "deleted"}, {Slug: live.Slug}})
	check.Same(t, "partial index: has a constraint", errors.As(err, &violated), true)
	check.Equal(t, "partial index: row", violated.Rows, []int{1})
	check.Error(t, "the key", r.Patch(t.Context(), 2, query.Col(func(p *gadget) *int64 { return &p.ID }).Set(5)), smrt.ErrBadQuery)
	child := goodGadget(7)
	child.Whole = new(int64)
	*child.Whole = 1
	check.NoError(t, r.Create(t.Context(), &child))
	_, err = r.UpdateWhere(t.Context(), query.Where(query.Col(func(p *gadget) *int64 { return &p.ID }).Eq(1)), query.Col(func(p *gadget) *int64 { return &p.ID }).Set(50))
	check.Same(t, "a table that refers to itself: has a constraint", errors.As(err, &violated), true)
	check.Same(t, "direction", violated.Direction, smrt.StillReferenced)
	*child.Whole = 77
	err = r.Update(t.Context(), &child)
	check.Same(t, "has a constraint", errors.As(err, &violated), true)
	check.Same(t, "direction", violated.Direction, smrt.MissingParent)
}

// slot is a row of a table that has a constraint of one name on other columns in
// each database.
type slot struct{ ID, A, B int64 }

// TestConstraintsBelongToADatabase names the columns that a constraint is on where
// it was violated.
func TestConstraintsBelongToADatabase(t *testing.T) {
	table := query.NewTable("slots", func(s *slot) *int64 { return &s.ID })
	for range 2 { // looked up, and known
		for column, rows := range map[string][]slot{"a": {{1, 1, 1}, {2, 1, 2}}, "b": {{1, 1, 1}, {2, 2, 1}}} {
			pool := testdb.Pool(t, testdb.SQL("slots_"+column, `CREATE TABLE slots (id bigint PRIMARY KEY, a bigint, b bigint, CONSTRAINT once UNIQUE (`+column+`))`))
			for range 2 {
				err := repo.New(pool, table).CreateMany(t.Context(), rows)
				var violated *smrt.ConstraintError
				check.Same(t, "has a constraint", errors.As(err, &violated), true)
				check.Equal(t, "columns", violated.Columns, []string{column})
				check.Equal(t, "rows", violated.Rows, []int{0, 1})
			}
		}
	}
}

// TestViolationsWithoutASpareConnection: a transaction that has failed answers no
// questions, and the row stands only in a text of the server's, in its language.
// The control is a pool with room for a second connection.
func TestViolationsWithoutASpareConnection(t *testing.T) {
	for conns, named := range map[int32]bool{1: false, 2: true} {
		pool := testdb.Pool(t, testdb.SQL("parts", gadgetSQL), testdb.MaxConns(conns))
		if named {
			spare(t, pool)
		}
		r := repo.New(pool, query.NewTable("parts", func(g *gadget) *int64 { return &g.ID })) // knows no constraint yet
		ps := []gadget{goodGadget(1), goodGadget(2)}
		ps[1].Code = ps[0].Code
		err := txn.Run(t.Context(), pool, func(ctx context.Context, tx pgx.Tx) error { return r.With(tx).CreateMany(ctx, ps) })
		var violated *smrt.ConstraintError
		check.Error(t, "a duplicate", err, smrt.ErrConflict)
		check.Same(t, "has a constraint", errors.As(err, &violated) && violated.Constraint != "", true)
		check.Same(t, "names the rows", violated.Rows != nil, named)
		check.Same(t, "names the columns", violated.Columns != nil, named)
	}
}

// TestCallsBesideAStream: pgx's own error differs from mode to mode.
func TestCallsBesideAStream(t *testing.T) {
	testdb.InEachMode(t, func(t *testing.T, mode testdb.Option) {
		a := newArchive(t, mode)
		a.add(t, "a", "b")
		tx := check.Value(a.pool.Begin(t.Context()))(t)
		defer tx.Rollback(context.Background()) //nolint:errcheck // nothing was written
		r := a.documents.With(tx)
		for _, err := range r.Stream(t.Context(), query.All[document]()) {
			check.NoError(t, err)
			_, err := r.Count(t.Context(), query.All[document]())
			check.Error(t, "a query beside a stream", err, smrt.ErrTxConcurrentUse)
			check.Error(t, "a write beside a stream", r.Create(t.Context(), &document{Slug: "c"}), smrt.ErrTxConcurrentUse)
		}
	})
}

// pass is a row of a partition, of a table whose trigger writes elsewhere, and of
// one whose keys are at their end.
type pass struct {
	ID     int64
	GateID int64
}

// TestWhoseConstraintItIs violates constraints of partitions and of tables that
// triggers write to, and lets triggers raise errors of their own.
func TestWhoseConstraintItIs(t *testing.T) {
	pool := testdb.Pool(t, testdb.SQL("gates", `CREATE TABLE gates (id bigint PRIMARY KEY); INSERT INTO gates VALUES (1);
		CREATE TABLE passes (id bigint PRIMARY KEY, gate_id bigint NOT NULL REFERENCES gates) PARTITION BY RANGE (id);
		CREATE TABLE passes_1 PARTITION OF passes FOR VALUES FROM (0) TO (100);
		CREATE TABLE logged (id bigint PRIMARY KEY, gate_id bigint NOT NULL);
		CREATE TABLE log (gate_id bigint REFERENCES gates CONSTRAINT few CHECK (gate_id < 50));
		CREATE FUNCTION logs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.gate_id = 41 THEN RAISE EXCEPTION 'gate % is secret', NEW.gate_id; END IF;
			IF NEW.gate_id = 42 THEN RAISE EXCEPTION 'gate % is secret', NEW.gate_id USING ERRCODE = 'unique_violation'; END IF;
			INSERT INTO log VALUES (NEW.gate_id); RETURN NEW; END $$;
		CREATE TRIGGER logs AFTER INSERT ON logged FOR EACH ROW EXECUTE FUNCTION logs();
		CREATE TABLE few_keys (id int GENERATED BY DEFAULT AS IDENTITY (START 2147483647) PRIMARY KEY, gate_id bigint NOT NULL)`))
	ctx := t.Context()
	of := func(table string) *repo.Repository[pass, int64] {
		return repo.New(pool, query.NewTable(table, func(p *pass) *int64 { return &p.ID }))
	}
	passes, logged, few := of("passes"), of("logged"), of("few_keys")
	check.NoError(t, passes.Create(ctx, &pass{ID: 2, GateID: 1}))
	check.NoError(t, few.Create(ctx, &pass{GateID: 1}))
	var elsewhere *smrt.ConstraintError
	if err := logged.CreateMany(ctx, []pass{{ID: 5, GateID: 1}, {ID: 6, GateID: 9}}); !errors.As(err, &elsewhere) || elsewhere.Rows != nil {
		t.Errorf("a row that a trigger writes is no row of the call: %v", err)
	}
	if err := passes.CreateMany(ctx, []pass{{ID: 5, GateID: 1}, {ID: 6, GateID: 9}}); !errors.As(err, &elsewhere) || len(elsewhere.Rows) != 1 || elsewhere.Rows[0] != 1 {
		t.Errorf("a row of a partition is one of the call: %v", err)
	}
	gone := repo.New(pool, query.NewTable("gates", func(g *struct{ ID int64 }) *int64 { return &g.ID }))
	for what, c := range map[string]struct {
		err       error
		want      error
		table     string
		direction smrt.Direction
	}{
		"a row of a partition":        {passes.Create(ctx, &pass{ID: 1, GateID: 9}), smrt.ErrForeignKey, "passes_1", smrt.MissingParent},
		"rows of a partition":         {passes.CreateMany(ctx, []pass{{ID: 1, GateID: 9}}), smrt.ErrForeignKey, "passes_1", smrt.MissingParent},
		"a changed row":               {passes.Update(ctx, &pass{ID: 2, GateID: 9}), smrt.ErrForeignKey, "passes_1", smrt.MissingParent},
		"a row that a trigger writes": {logged.Create(ctx, &pass{ID: 1, GateID: 9}), smrt.ErrForeignKey, "log", smrt.MissingParent},
		"a parent":                    {gone.Delete(ctx, 1), smrt.ErrForeignKey, "passes", smrt.StillReferenced},
		"no partition":                {passes.Create(ctx, &pass{ID: 100, GateID: 1}), smrt.ErrNoPartition, "passes", 0},
		"a check of another table":    {logged.Create(ctx, &pass{ID: 1, GateID: 60}), smrt.ErrCheck, "log", 0},
		"a violation that was raised": {logged.Create(ctx, &pass{ID: 1, GateID: 42}), smrt.ErrConflict, "", 0},
		"an error that was raised":    {logged.Create(ctx, &pass{ID: 1, GateID: 41}), nil, "", 0},
		"keys at their end":           {few.Create(ctx, &pass{GateID: 1}), nil, "", 0},
	} {
		var violated *smrt.ConstraintError
		switch {
		case c.err == nil || c.want != nil && !errors.Is(c.err, c.want):
			t.Errorf("%s: got %v, want %v", what, c.err, c.want)
		case c.want != nil && (!errors.As(c.err, &violated) || violated.Table != c.table || violated.Direction != c.direction):
			t.Errorf("%s: got %+v, want %s of %q", what, violated, c.direction, c.table)
		case strings.Contains(c.err.Error(), "secret") || strings.Contains(c.err.Error(), `""`) || strings.Contains(c.err.Error(), "a value was refused"):
			t.Errorf("%s: says %q", what, c.err)
		}
	}
}

// TestKeysOfTheServerAreNotBlamed proves that rows whose keys the server makes are
// not named for a key that they do not have yet: here the sequence has not counted
// rows that were created with keys.
func TestKeysOfTheServerAreNotBlamed(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	check.NoError(t, a.documents.Create(ctx, &document{ID: 2, Slug: "a"}))
	err := a.documents.CreateMany(ctx, []document{{Slug: "b"}, {Slug: "c"}})
	var violated *smrt.ConstraintError
	if check.Error(t, "create", err, smrt.ErrConflict); !errors.As(err, &violated) || len(violated.Rows) > 0 {
		t.Errorf("%v names rows %v", err, violated.Rows)
	}
}
