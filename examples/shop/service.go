package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/contrib/prometheus"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/readreplica"
)

// service is the shop while it is open.
type service struct {
	cfg           Config
	db            *databases
	api           *api
	clients, ops  *http.Server
	addr, opsAddr string
	failed        chan error // of a listener that gave up
}

// start connects to the databases, and then begins to answer.
func start(ctx context.Context, cfg Config) (*service, error) {
	s := &service{cfg: cfg, failed: make(chan error, 2)}
	if err := s.open(ctx); err != nil {
		return nil, s.stop(err)
	}
	return s, nil
}

func (s *service) open(ctx context.Context) (err error) {
	if s.db, err = open(ctx, s.cfg); err != nil {
		return err
	}
	s.api = &api{shop: newShop(s.db, s.cfg.TokenSecret), db: s.db}
	handler, err := s.api.handler()
	if err != nil {
		return err
	}
	operators, err := s.operators()
	if err != nil {
		return err
	}
	if s.clients, s.addr, err = s.listen(ctx, s.cfg.Addr, handler); err != nil {
		return err
	}
	s.ops, s.opsAddr, err = s.listen(ctx, s.cfg.OpsAddr, operators)
	return err
}

// listen serves a handler at an address, and returns the one that it has got.
func (s *service) listen(ctx context.Context, addr string, handler http.Handler) (*http.Server, string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, "", err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second, // a client that does not read
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	return server, listener.Addr().String(), nil
}

// operators returns what only those on call reach: metrics, the live page and profiles.
func (s *service) operators() (http.Handler, error) {
	page, err := observe.Handler(s.db.observer, observe.PageConfig{
		Title: "shop", Handles: map[string]smrt.DB{"router": s.db.router}, Server: s.db.router,
	})
	if err != nil {
		return nil, err
	}
	collector, err := smrtprom.New(smrtprom.Config{
		Observers: map[string]*observe.Observer{"main": s.db.observer},
		Routers:   map[string]*readreplica.Router{"main": s.db.router},
	})
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	if err := registry.Register(collector); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/database", page)
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	return mux, nil
}

// stop ends the service in order, and returns why, with what went wrong on the way: first it is no
// longer ready, then it refuses connections and lets requests end, and the connections to the
// databases go last.
func (s *service) stop(why error) error {
	if s.api != nil {
		s.api.stopping.Store(true)
	}
	if s.clients != nil {
		time.Sleep(s.cfg.ReadyDelay) // until those who send requests have noticed
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTime)
	defer cancel()
	errs := []error{why}
	for _, server := range []*http.Server{s.clients, s.ops} {
		if server == nil {
			continue
		}
		if err := server.Shutdown(ctx); err != nil {
			errs = append(errs, err, server.Close())
		}
	}
	return errors.Join(append(errs, s.db.drain(ctx))...)
}
