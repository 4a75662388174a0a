package repo_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/txn"
)

// Two schemas have the tables of devices and labels. One goroutine alters those
// of both; others call methods on them, with a bare pool and with one of package
// pool for each schema. All pools share the declarations of the tables.
const ddlTables = `CREATE SCHEMA %[1]s; CREATE TYPE %[1]s.temper0 AS ENUM ('calm', 'wild');
	CREATE TABLE %[1]s.devices (id %[2]s PRIMARY KEY, code text NOT NULL, size %[2]s NOT NULL, at %[3]s NOT NULL, state %[1]s.temper0 NOT NULL, doc jsonb NOT NULL, gone %[3]s);
	CREATE TABLE %[1]s.labels (code text PRIMARY KEY, n bigint NOT NULL);
	CREATE FUNCTION %[1]s.same() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'`

// altered is what became of the tables of one schema.
type altered struct {
	*rand.Rand
	schema                             string
	begun                              atomic.Int64 // alterations
	n, enum                            int          // numbers of the last alteration and of the enum, for their names
	zoned, extra, trigger, partitioned bool
	unique                             bool
	texts                              []string // types that codes may have
}

func (a *altered) one(of ...string) string { return of[a.IntN(len(of))] }

// next returns the name of an alteration, and its SQL, in which %[1]s is the
// schema and %[2]d a number.
func (a *altered) next() (name, sql string) {
	const devices = "ALTER TABLE %[1]s.devices "
	switch a.IntN(14) {
	case 0:
		if a.partitioned {
			return "a partition is attached", "CREATE TABLE %[1]s.devices%[2]d (LIKE %[1]s.devices INCLUDING ALL); " +
				devices + "ATTACH PARTITION %[1]s.devices%[2]d FOR VALUES FROM (2000000000 + %[2]d) TO (2000000001 + %[2]d)"
		}
		return "keys change", devices + "ALTER id TYPE " + a.one("int", "bigint")
	case 1:
		return "numbers change", devices + "ALTER size TYPE " + a.one("smallint", "int", "bigint")
	case 2, 3:
		to := turned(&a.zoned, "timestamptz", "timestamp")
		return "times change", devices + "ALTER at TYPE " + to + " USING at AT TIME ZONE 'UTC', ALTER gone TYPE " + to + " USING gone AT TIME ZONE 'UTC'"
	case 4, 5:
		to := a.one(a.texts...)
		return "texts change", devices + "ALTER code TYPE " + to + " USING code::text::" + to + "; ALTER TABLE %[1]s.labels ALTER code TYPE " + to + " USING code::text::" + to
	case 6:
		return "documents change", devices + "ALTER doc TYPE " + a.one("json USING doc::json", "jsonb USING doc::jsonb")
	case 7:
		old := a.enum
		a.enum = a.n
		return "an enum is replaced", "CREATE TYPE %[1]s.temper%[2]d AS ENUM ('wild', 'odd', 'calm'); " +
			devices + "ALTER state TYPE %[1]s.temper%[2]d USING state::text::%[1]s.temper%[2]d; DROP TYPE %[1]s.temper" + fmt.Sprint(old)
	case 8:
		return "a column comes or goes", devices + turned(&a.extra, "ADD extra int NOT NULL DEFAULT 7", "DROP extra")
	case 9:
		return "constraints change", devices + "ALTER code " + a.one("SET", "DROP") + " NOT NULL, ALTER size " + a.one("SET DEFAULT 1", "DROP DEFAULT") +
			", " + turned(&a.unique, "ADD CONSTRAINT twice UNIQUE (id, code)", "DROP CONSTRAINT twice")
	case 10:
		return "a trigger comes or goes", turned(&a.trigger,
			"CREATE TRIGGER same BEFORE INSERT OR UPDATE ON %[1]s.devices FOR EACH ROW EXECUTE FUNCTION %[1]s.same()", "DROP TRIGGER same ON %[1]s.devices")
	}
	a.trigger, a.unique = false, false
	partition := turned(&a.partitioned, "CREATE TABLE %[1]s.devices%[2]d PARTITION OF %[1]s.devices DEFAULT; ", "")
	by := map[bool]string{true: " PARTITION BY RANGE (id)"}[a.partitioned]
	return "the table is another one", "LOCK TABLE %[1]s.devices; " + devices + "RENAME TO old; " +
		"CREATE TABLE %[1]s.devices (LIKE %[1]s.old INCLUDING ALL EXCLUDING INDEXES, PRIMARY KEY (id))" + by + "; " + partition +
		"INSERT INTO %[1]s.devices SELECT * FROM %[1]s.old; DROP TABLE %[1]s.old"
}

// turned changes a mark, and returns the SQL for what it is now.
func turned(mark *bool, on, off string) string {
	if *mark = !*mark; *mark {
		return on
	}
	return off
}

// alter alters one thing.
func (a *altered) alter(ctx context.Context, db *pgxpool.Pool) error {
	a.n++
	name, sql := a.next()
	sql = fmt.Sprintf(sql, a.schema, a.n)
	_, err := db.Exec(ctx, sql)
	for deadlocked(err) {
		_, err = db.Exec(ctx, sql)
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", name, sql, err)
	}
	return nil
}

// deadlocked reports whether another transaction may have been in the way.
func deadlocked(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "40P01"
}

// meetings counts the calls that met an alteration: that the server, or pgx,
// refused for what they had been made or prepared for.
type meetings struct{ n atomic.Int64 }

func (m *meetings) met(err error) {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "0A000" || strings.HasPrefix(pg.Code, "42")) {
		m.n.Add(1)
	}
}

func (m *meetings) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (m *meetings) TraceQueryEnd(_ context.Context, _ *pgx.Conn, d pgx.TraceQueryEndData) {
	m.met(d.Err)
}

func (m *meetings) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (m *meetings) TraceBatchQuery(_ context.Context, _ *pgx.Conn, d pgx.TraceBatchQueryData) {
	m.met(d.Err)
}
func (m *meetings) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// ddlWorker calls methods on one handle.
type ddlWorker struct {
	*owned
	name  string
	db    txn.Beginner
	on    *altered
	since atomic.Int64 // alterations that had begun before the step
}

// noStep is since between steps.
const noStep = math.MaxInt64

// turn waits until an alteration may begin, which is the second in no step: a call
// is run again because of alterations only so often.
func (a *altered) turn(ctx context.Context, workers []*ddlWorker) {
	late := func(w *ddlWorker) bool { return w.on == a && w.since.Load() < a.begun.Load() }
	for ctx.Err() == nil && slices.ContainsFunc(workers, late) {
		time.Sleep(time.Millisecond)
	}
	a.begun.Add(1)
}

// step makes some calls, outside of transactions or in one. The server may end
// any of them in favour of an alteration that it deadlocks with: what the
// attempt wrote is not there then, and another one is made.
func (w *ddlWorker) step(ctx context.Context) error {
	w.since.Store(w.on.begun.Load())
	defer w.since.Store(noStep)
	var after *owned
	attempt := func(ctx context.Context, db smrt.DB, calls int) error {
		after = w.clone()
		for range calls {
			kind := []map[string]ddlCall{ddlWrites, ddlReads}[after.IntN(2)]
			names := slices.Sorted(maps.Keys(kind))
			name := names[after.IntN(len(names))]
			if err := kind[name](ctx, db, after); err != nil {
				return fmt.Errorf("%s, %s: %w", w.name, name, err)
			}
		}
		return nil
	}
	var err error
	switch w.IntN(5) {
	case 0:
		if err = txn.Run(ctx, w.db, func(ctx context.Context, tx pgx.Tx) error { return attempt(ctx, tx, 3) }); err != nil {
			err = fmt.Errorf("in a transaction: %w", err)
		}
	case 1:
		// Nobody else can run it again. Each connection may have prepared its statements.
		for again := true; again; again = deadlocked(err) || outdated(err) {
			err = pgx.BeginFunc(ctx, w.db, func(tx pgx.Tx) error { return attempt(ctx, tx, 2) })
		}
		if err != nil {
			err = fmt.Errorf("in a transaction begun by hand: %w", err)
		}
	default:
		for again := true; again; again = deadlocked(err) {
			err = attempt(ctx, w.db.(smrt.DB), 1)
		}
	}
	if err == nil {
		w.owned = after
	}
	return err
}

// outdated reports whether an error may be due to an alteration.
func outdated(err error) bool {
	var changed *pgerr.OutdatedError
	return errors.As(err, &changed) || pgerr.IsOutdated(err)
}

// TestRandomAlterations alters tables at random while methods are called at
// random, in each mode of pgx: no call fails, none returns or leaves a wrong
// value, and a transaction is at most run once more. It goes on until enough
// alterations were met.
func TestRandomAlterations(t *testing.T) {
	testdb.InEachMode(t, func(t *testing.T, mode testdb.Option) {
		least := struct{ altered, met int64 }{20, 20}
		if check.Long() {
			least.altered, least.met = 400, 1000
		}
		w := newDDLWorld(t, mode)
		if !w.remembers {
			least.met = 0
		}
		ctx, cancel := context.WithTimeout(t.Context(), testdb.Patience(time.Minute))
		defer cancel()
		var altered atomic.Int64
		enough := func() bool { return altered.Load() >= least.altered && w.met.n.Load() >= least.met }
		var all sync.WaitGroup
		for _, worker := range w.workers {
			all.Go(func() {
				for ctx.Err() == nil && !enough() {
					if err := worker.step(ctx); err != nil && ctx.Err() == nil {
						t.Error(err)
						cancel()
					}
				}
			})
		}
		for !enough() && ctx.Err() == nil {
			on := w.tables[altered.Load()%2]
			on.turn(ctx, w.workers)
			if err := on.alter(ctx, w.admin); err != nil && ctx.Err() == nil {
				t.Error(err)
				cancel()
			}
			altered.Add(1)
			time.Sleep(5 * time.Millisecond)
		}
		all.Wait()
		if !enough() && !t.Failed() {
			t.Errorf("%d alterations, which calls met %d times, want %v", altered.Load(), w.met.n.Load(), least)
		}
		t.Logf("%d alterations were met %d times", altered.Load(), w.met.n.Load())
	})
}

// ddlWorld is what one run works on.
type ddlWorld struct {
	admin     *pgxpool.Pool
	tables    []*altered
	workers   []*ddlWorker
	met       meetings
	remembers bool // the mode remembers what it has learnt of statements
}

func newDDLWorld(t *testing.T, mode testdb.Option) *ddlWorld {
	w := &ddlWorld{admin: testdb.Pool(t, testdb.Empty, mode, testdb.AfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		_, _ = c.Exec(ctx, "SET deadlock_timeout = '20ms'") // only who may do so saves time
		return nil
	}))}
	seed, ctx := check.Seed(t), t.Context()
	in := w.admin.Config().ConnConfig.DefaultQueryExecMode
	w.remembers = in == pgx.QueryExecModeCacheStatement || in == pgx.QueryExecModeCacheDescribe
	texts := []string{"text", "varchar(60)", "uuid"}
	if _, err := w.admin.Exec(ctx, "CREATE EXTENSION citext"); err == nil {
		texts = append(texts, "citext")
	}
	for s, schema := range []string{"one", "two"} {
		types := [][]any{{"int", "timestamp"}, {"bigint", "timestamptz"}}[s]
		check.Value(w.admin.Exec(ctx, fmt.Sprintf(ddlTables, append([]any{schema}, types...)...)))(t)
		w.tables = append(w.tables, &altered{
			Rand: rand.New(rand.NewPCG(seed, uint64(s))), schema: schema, texts: texts, zoned: s == 1,
		})
		cfg := w.admin.Config()
		cfg.MaxConns = 3
		cfg.ConnConfig.RuntimeParams["search_path"] = schema + ", public"
		cfg.ConnConfig.RuntimeParams["timezone"] = "Asia/Tokyo" // what is cast in the session's zone is hours off
		cfg.ConnConfig.Tracer = &w.met
		bare := check.Value(pgxpool.NewWithConfig(ctx, cfg))(t)
		t.Cleanup(bare.Close)
		own := check.Value(pool.Open(ctx, pool.Config{URL: cfg.ConnString(), MaxConns: 3, Configure: func(c *pgxpool.Config) {
			c.ConnConfig.DefaultQueryExecMode, c.ConnConfig.RuntimeParams = in, cfg.ConnConfig.RuntimeParams
			c.ConnConfig.Tracer = &w.met
		}}))(t)
		t.Cleanup(own.Close)
		for name, db := range map[string]txn.Beginner{"bare": bare, "own": own} {
			w.workers = append(w.workers, newDDLWorker(t, w.admin, w.tables[s], name, db, seed, int64(len(w.workers))))
		}
	}
	return w
}

// newDDLWorker makes the labels of a worker.
func newDDLWorker(t *testing.T, admin *pgxpool.Pool, on *altered, name string, db txn.Beginner, seed uint64, i int64) *ddlWorker {
	o := &owned{Rand: rand.New(rand.NewPCG(seed, uint64(i)+10)), base: 1000 * (i + 1), devices: map[int64]device{}}
	for n := range int64(3) {
		l := label{Code: fmt.Sprintf("6ba7b810-9dad-11d1-80b4-%012d", o.base+n), N: o.base + n}
		check.Value(admin.Exec(t.Context(), "INSERT INTO "+on.schema+".labels VALUES ($1, $2)", l.Code, l.N))(t)
		o.labels = append(o.labels, l)
	}
	w := &ddlWorker{owned: o, name: on.schema + ", " + name, db: db, on: on}
	w.since.Store(noStep)
	return w
}
