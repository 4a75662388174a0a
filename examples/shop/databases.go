package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/readreplica"

	"github.com/smrt-go/smrt/examples/shop/tables"
)

// databases are the handles of the service. What they have in common is watched by one observer
// and bound by the same limits.
type databases struct {
	observer *observe.Observer
	router   *readreplica.Router // reads on standbys, writes on the primary
	rows     *cache.Cache        // has many of the rows that are read by key
	limits   guard.Limits
}

// open connects to the servers. With an error it returns what is open already, to be drained.
func open(ctx context.Context, cfg Config) (d *databases, err error) {
	d = &databases{limits: limitsOf(cfg)}
	if d.observer, err = observe.New(observe.Config{}); err != nil {
		return d, err
	}
	settings := pool.Config{MaxConns: cfg.MaxConns, Configure: d.observer.Configure}
	servers := []readreplica.Server{{Name: "primary", URL: cfg.DatabaseURL}}
	for i, url := range cfg.ReplicaURLs {
		servers = append(servers, readreplica.Server{Name: fmt.Sprint("standby", i+1), URL: url})
	}
	d.router, err = readreplica.Open(ctx, readreplica.Config{
		Servers: servers, Pool: settings, TokenSecret: cfg.TokenSecret,
		PrimaryShare: 0.5,                 // of its connections are for reads if no standby is left
		Failover:     cfg.CallTimeout / 2, // so that a call is told that there is no primary before its time is over
	})
	if err != nil {
		return d, err
	}
	// What other processes write is seen after a TTL at the latest, and at once in the session of who has written.
	d.rows, err = cache.New(cache.Config{MaxBytes: 64 << 20},
		cache.Of(tables.Products.Table, cache.Options{TTL: 10 * time.Second}),
		cache.Of(tables.Categories.Table, cache.Options{TTL: time.Minute}))
	if err != nil {
		return d, err
	}
	return d, d.rows.Attach(ctx, d.router)
}

// drain closes the handles when the calls that run have ended, or ctx has.
func (d *databases) drain(ctx context.Context) error {
	var errs []error
	if d.router != nil {
		errs = append(errs, d.router.Drain(ctx))
	}
	if d.rows != nil {
		d.rows.Close()
	}
	return errors.Join(errs...)
}

// ready reports whether reads can be served, which is enough to be useful.
func (d *databases) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := d.router.Reader().Exec(ctx, "SELECT 1")
	return err
}

// limitsOf are the limits of every call, as far as they apply: rows and time to sqlc's queries too, texts
// only to those of repositories. What one client asks for in a minute is bound as well.
func limitsOf(cfg Config) guard.Limits {
	return guard.Limits{
		MaxLimit:    100,
		MaxLoaded:   1_000,
		MaxList:     100,
		MaxText:     200,
		MaxAffected: 200,
		Timeout:     cfg.CallTimeout,
		Rate: guard.NewRate(guard.RateConfig{
			Name:   "client",
			Points: cfg.Rate,
			Per:    time.Minute,
			Burst:  cfg.Rate/10 + 10,
			Key:    clientOf,
		}),
	}
}
