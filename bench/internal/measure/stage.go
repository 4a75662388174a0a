package measure

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/task"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/seed"
	"github.com/smrt-go/smrt/internal/testdb"
)

// Contestant is a way to do the tasks.
type Contestant struct {
	Name    string
	Module  string // path of its module
	Version string // of the module, if this program is not built with it
	Open    func(context.Context, Database) (*task.Ops, error)
}

// Stage is a server with a database for each contestant.
type Stage struct {
	server      *testdb.Server
	contestants []Contestant
	size        task.Size
	deep        model.Position
	made        int // sets of databases
	opened      int // sets of contestants
}

// template is the database that the others are copies of.
const template = "bench_template"

// NewStage fills a template on the server.
func NewStage(ctx context.Context, server *testdb.Server, size task.Size, contestants []Contestant) (*Stage, error) {
	if err := server.CreateDatabase(ctx, template, ""); err != nil {
		return nil, err
	}
	if err := shop.Migrate(ctx, server.DSN(template)); err != nil {
		return nil, err
	}
	pool, err := pgxpool.New(ctx, server.DSN(template))
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	if _, err := seed.Load(ctx, pool, seed.Size{Products: size.Products, Customers: size.Customers, Orders: size.Orders}); err != nil {
		return nil, err
	}
	s := &Stage{server: server, contestants: contestants, size: size}
	err = pool.QueryRow(ctx, "SELECT placed_at, id FROM orders ORDER BY placed_at DESC, id DESC LIMIT 1 OFFSET $1", size.Deep()-1).
		Scan(&s.deep.PlacedAt, &s.deep.ID)
	return s, err
}

// Tasks returns what can be measured.
func (s *Stage) Tasks() []task.Task { return task.All(s.size, s.deep) }

// side is a contestant on its database.
type side struct {
	name  string
	dsn   string
	admin *pgx.Conn // for what is not measured
	ops   *task.Ops
	op    task.Op // of the task that is measured, nil if it cannot
	calls int     // number of the last one
}

// sides opens all contestants, each on a copy of the template.
func (s *Stage) sides(ctx context.Context) ([]*side, error) {
	s.made++
	sides := make([]*side, 0, len(s.contestants))
	for _, c := range s.contestants {
		name := fmt.Sprintf("bench_%s_%d", strings.NewReplacer("+", "_", ".", "_").Replace(c.Name), s.made)
		if err := s.server.CreateDatabase(ctx, name, template); err != nil {
			return sides, err
		}
		side := &side{name: c.Name, dsn: s.server.DSN(name)}
		sides = append(sides, side)
		var err error
		if side.admin, err = pgx.Connect(ctx, side.dsn); err != nil {
			return sides, err
		}
	}
	return sides, nil
}

// open lets the contestants connect, with pools of the task's size.
func (s *Stage) open(ctx context.Context, sides []*side, t task.Task, wires []*Wire) error {
	s.opened++
	for i, c := range s.contestants {
		db := Database{dsn: sides[i].dsn, conns: t.Conns, delay: t.Delay}
		if wires != nil {
			db.wire = wires[i]
		}
		if _, err := sides[i].admin.Exec(ctx, t.Setup, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("set up %s: %w", t.Name, err)
		}
		ops, err := c.Open(ctx, db)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		sides[i].ops, sides[i].op, sides[i].calls = ops, t.Op(ops), s.opened*maxOpened
	}
	return nil
}

// maxOpened is more than the calls that are made by one set of contestants, whose numbers are those of no other set.
const maxOpened = 1_000_000

// shut lets the contestants disconnect.
func shut(sides []*side) {
	for _, s := range sides {
		if s.ops != nil {
			s.ops.Close()
			s.ops, s.op = nil, nil
		}
	}
}

// drop ends what sides began.
func (s *Stage) drop(ctx context.Context, sides []*side) error {
	shut(sides)
	var errs []error
	for _, side := range sides {
		if side.admin != nil {
			name := side.admin.Config().Database
			errs = append(errs, side.admin.Close(ctx), s.server.DropDatabase(ctx, name))
		}
	}
	return errors.Join(errs...)
}

// call makes the next call of a side, after what the task resets.
func (s *side) call(ctx context.Context, t task.Task) (task.Call, error) {
	s.calls++
	return s.op(s.calls), s.reset(ctx, t)
}

// reset makes what a call needs.
func (s *side) reset(ctx context.Context, t task.Task) error {
	if t.Reset == "" {
		return nil
	}
	if _, err := s.admin.Exec(ctx, t.Reset, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	return nil
}

// Settings are those of the server: what is measured is not stopped by what the server does in the background.
func Settings() map[string]string {
	return map[string]string{"shared_buffers": "512MB", "autovacuum": "off", "max_wal_size": "8GB", "wal_level": "minimal", "max_wal_senders": "0"}
}
