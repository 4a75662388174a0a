package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/seed"
	"github.com/smrt-go/smrt/internal/testdb"
)

const database = "shop"

// scales are the sizes to choose from.
var scales = map[string]seed.Size{
	"full":  seed.Default,
	"small": {Products: 2000, Customers: 1000, Orders: 5000, Carts: 200},
}

// settings suit a server that is loaded once, queried and thrown away.
var settings = map[string]string{
	"shared_buffers":         "512MB",
	"max_wal_size":           "8GB",
	"wal_level":              "replica",
	"full_page_writes":       "off",
	"autovacuum":             "off",
	"gin_pending_list_limit": "64MB",
}

// stage is what the steps play on: a primary, its standby, and pools on both. It
// writes what is to be seen.
type stage struct {
	io.Writer
	bold bool // print headings in bold
	size seed.Size

	primary, standby *testdb.Server
	pool             *pgxpool.Pool // traced
	replica          *pgxpool.Pool // traced, on the standby
	control          *pgxpool.Pool // not traced: for checks with hand-written SQL
	trace            *tracer
	counts           map[string]int64 // rows loaded, by table
	loaded           time.Duration
}

// open starts the servers, loads the shop and connects the pools.
func (s *stage) open(ctx context.Context) error {
	began := time.Now()
	for _, task := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"start a private PostgreSQL server", s.start},
		{"create the shop's tables from queries/schema", s.migrate},
		{"load the shop and analyze it", s.load},
		// Made after the load, the standby copies the data once instead of
		// replaying every row.
		{"add a standby and wait until it has everything", s.follow},
	} {
		s.printf("  %-62s", task.what)
		start := time.Now()
		if err := task.do(ctx); err != nil {
			s.printf("\n")
			return fmt.Errorf("%s: %w", task.what, err)
		}
		s.printf("%8s\n", brief(time.Since(start)))
	}
	s.loaded = time.Since(began)
	s.printf("  %s products, %s customers, %s orders, %s order lines\n",
		thousands(s.counts["products"]), thousands(s.counts["customers"]),
		thousands(s.counts["orders"]), thousands(s.counts["order_items"]))
	return s.connect(ctx)
}

func (s *stage) start(ctx context.Context) (err error) {
	s.primary, err = testdb.Start(ctx, testdb.Config{Settings: settings})
	return err
}

func (s *stage) migrate(ctx context.Context) error {
	if err := s.primary.CreateDatabase(ctx, database, ""); err != nil {
		return err
	}
	return shop.Migrate(ctx, s.primary.DSN(database))
}

// load fills the tables. Its own pool leaves out the checks of foreign keys, row
// by row, of rows known to be right; that halves the time.
func (s *stage) load(ctx context.Context) error {
	pool, err := connect(ctx, s.primary, func(cfg *pgxpool.Config) {
		cfg.ConnConfig.RuntimeParams["session_replication_role"] = "replica"
	})
	if err != nil {
		return err
	}
	defer pool.Close()
	s.counts, err = seed.Load(ctx, pool, s.size)
	return err
}

func (s *stage) follow(ctx context.Context) (err error) {
	if s.standby, err = s.primary.Standby(ctx, testdb.StandbyConfig{}); err != nil {
		return err
	}
	return s.standby.WaitForReplay(ctx, s.primary)
}

func (s *stage) connect(ctx context.Context) (err error) {
	s.trace = &tracer{}
	traced := func(cfg *pgxpool.Config) { cfg.ConnConfig.Tracer = s.trace }
	if s.pool, err = connect(ctx, s.primary, traced); err != nil {
		return err
	}
	if s.replica, err = connect(ctx, s.standby, traced); err != nil {
		return err
	}
	if s.control, err = connect(ctx, s.primary, func(*pgxpool.Config) {}); err != nil {
		return err
	}
	// So that the first step is not charged with the opening of a connection.
	return errors.Join(s.pool.Ping(ctx), s.replica.Ping(ctx))
}

func connect(ctx context.Context, server *testdb.Server, configure func(*pgxpool.Config)) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(server.DSN(database))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	configure(cfg)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return pool, nil
}

// close ends what open began, as far as that came.
func (s *stage) close() error {
	for _, pool := range []*pgxpool.Pool{s.pool, s.replica, s.control} {
		if pool != nil {
			pool.Close()
		}
	}
	if s.primary == nil {
		return nil
	}
	return s.primary.Close() // and its standby
}
