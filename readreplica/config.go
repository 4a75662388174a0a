package readreplica

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/pool"
)

// Pool is a pool of connections to one server. *pgxpool.Pool and *pool.Pool
// implement it.
type Pool interface {
	smrt.Pool

	// BeginTx begins a transaction.
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)

	// Config returns a copy of the pool's settings.
	Config() *pgxpool.Config

	// Reset closes all connections: idle ones at once, others when they are
	// given back.
	Reset()

	// Close closes the pool.
	Close()
}

// Server is one of the servers of a [Router].
type Server struct {
	// Name is what events and statistics call the server. Default: its host
	// and port.
	Name string

	// URL is how to reach it, in one of the forms that pgx takes. It must
	// name one host.
	URL string

	// Pool is used instead of pools that are opened for URL. The caller
	// closes it. Three protections need pools that the router opens itself:
	// sessions for reading that refuse writes on a primary too, cutting the
	// connections to a server that has stopped answering, and noticing between
	// two probes that a standby was restarted.
	Pool Pool

	// Zone is where the server is, such as "eu-1a"; see Config.Zone.
	Zone string

	// Weight is the server's part of the reads for the [Weighted] picker.
	// Default: 1.
	Weight float64
}

// Config configures a [Router]. Only Servers must be set.
type Config struct {
	// Servers are the primary and its standbys, at most 64, in any order:
	// which one is the primary is found out, again and again.
	Servers []Server

	// Pool has the settings of the pools that are opened. Its URL is that of
	// the server. See package pool for defaults.
	Pool pool.Config

	// Picker chooses among the replicas that may serve a read. Default:
	// [LeastLatency].
	Picker Picker

	// Zone is where this program is. Replicas of the same zone are preferred
	// over all others, as long as there is one. Default: no preference.
	Zone string

	// MaxStale is how far behind the primary a replica may be and still serve
	// reads that demand nothing. It is known to within ProbeInterval. While no
	// primary can be reached it does not count: a replica is then as fresh as
	// anything. At least ProbeInterval; default: 30 s.
	MaxStale time.Duration

	// Wait is how long a read waits at most until a replica has what it must
	// see, but never longer than a tenth of the time left until its deadline.
	// Default: 100 ms.
	Wait time.Duration

	// Fallback says what happens to reads for which no replica is fresh
	// enough, or alive. Default: [PrimaryIfRoom].
	Fallback Fallback

	// PrimaryShare is the part of the primary's connections that such reads
	// may use at a time, so that the loss of all replicas does not take the
	// primary with it. More than 0, at most 1; default: 0.2, and at least one
	// connection. A router with one server has no such limit.
	PrimaryShare float64

	// ProbeInterval is how often each server is asked how it is, on a
	// connection of its own. From 10 ms; default: 1 s. A server that fails is
	// asked ten times as often.
	ProbeInterval time.Duration

	// ProbeTimeout is how long a server has to answer. Two failures in a row
	// take it out, three good answers bring it back. Default: 250 ms.
	ProbeTimeout time.Duration

	// Failover is how long a write waits for a server that accepts writes, and
	// how long a read waits for the primary to tell its position, if the read
	// needs that. Default: 10 s.
	Failover time.Duration

	// Engine is what the servers are. Default: it is detected.
	Engine Engine

	// Sticky is how long a session reads from the primary after a write, and
	// from one replica after its last read there,
	// where the engine has no positions to compare. Default: 10 s.
	Sticky time.Duration

	// TokenSecret signs tokens, which then may pass through the hands of
	// users. At least 16 bytes; without one there are no tokens.
	TokenSecret []byte

	// OnEvent is called when a server goes or comes, and when the primary or
	// its timeline changes. Events come one at a time, in order; a slow
	// function delays the next one and nothing else. It must not close the
	// router, which waits for it.
	OnEvent func(Event)
}

// Fallback says what happens to a read that no replica can serve.
type Fallback uint8

const (
	// PrimaryIfRoom sends it to the primary, as long as there is room by
	// Config.PrimaryShare. Otherwise it is smrt.ErrNoFreshReplica.
	PrimaryIfRoom Fallback = iota

	// Strict never sends it to the primary: smrt.ErrNoFreshReplica.
	Strict

	// StaleIfFull sends it to the primary as PrimaryIfRoom does, and, if that
	// has no room, to a replica within Config.MaxStale that has not got what
	// the session wrote. A limit asked for with [WithMaxStale] or [WithPosition] holds.
	StaleIfFull
)

const (
	maxServers   = 64
	minSecret    = 16
	maxInterval  = time.Hour
	minInterval  = 10 * time.Millisecond
	defaultStale = 30 * time.Second
)

// resolve checks the settings and sets defaults.
func (c *Config) resolve() error {
	if c.Picker == nil {
		c.Picker = LeastLatency
	}
	if c.PrimaryShare == 0 {
		c.PrimaryShare = 0.2
	}
	for _, d := range []struct {
		name     string
		value    *time.Duration
		standard time.Duration
		min      time.Duration
	}{
		{"ProbeInterval", &c.ProbeInterval, time.Second, minInterval},
		{"ProbeTimeout", &c.ProbeTimeout, 250 * time.Millisecond, time.Millisecond},
		{"MaxStale", &c.MaxStale, defaultStale, 0},
		{"Wait", &c.Wait, 100 * time.Millisecond, time.Millisecond},
		{"Failover", &c.Failover, 10 * time.Second, time.Millisecond},
		{"Sticky", &c.Sticky, 10 * time.Second, time.Millisecond},
	} {
		if *d.value == 0 {
			*d.value = d.standard
		}
		if *d.value < d.min || *d.value > maxInterval {
			return bad(d.name, fmt.Sprintf("must be between %v and %v", d.min, maxInterval))
		}
	}
	if c.MaxStale < c.ProbeInterval {
		return bad("MaxStale", fmt.Sprintf("must be at least ProbeInterval, which is %v: how stale a replica is is not known more exactly", c.ProbeInterval))
	}
	switch {
	case len(c.Servers) == 0 || len(c.Servers) > maxServers:
		return bad("Servers", fmt.Sprintf("must be 1 to %d servers", maxServers))
	case !(c.PrimaryShare > 0 && c.PrimaryShare <= 1):
		return bad("PrimaryShare", "must be more than 0 and at most 1")
	case c.Fallback > StaleIfFull:
		return bad("Fallback", "must be PrimaryIfRoom, Strict or StaleIfFull")
	case len(c.TokenSecret) != 0 && len(c.TokenSecret) < minSecret:
		return bad("TokenSecret", fmt.Sprintf("must be at least %d bytes, from a random source", minSecret))
	case c.Engine > Pooled:
		return bad("Engine", "must be one of the constants")
	}
	c.TokenSecret = bytes.Clone(c.TokenSecret)
	return c.resolveServers()
}

// resolveServers checks the servers and names them. It changes a copy of the
// caller's slice.
func (c *Config) resolveServers() error {
	servers := make([]Server, len(c.Servers))
	copy(servers, c.Servers)
	names := map[string]bool{}
	for i := range servers {
		s := &servers[i]
		where := fmt.Sprintf("Servers[%d]", i)
		if (s.URL == "") == (s.Pool == nil) {
			return bad(where, "needs a URL or a Pool, and not both")
		}
		if s.Weight == 0 {
			s.Weight = 1
		}
		if !(s.Weight > 0) || math.IsInf(s.Weight, 0) {
			return bad(where, "Weight must be a positive number")
		}
		if err := s.resolveName(where); err != nil {
			return err
		}
		if names[s.Name] {
			return bad(where, fmt.Sprintf("%q is given twice: give servers different names", s.Name))
		}
		names[s.Name] = true
	}
	c.Servers = servers
	return nil
}

// resolveName names a server by its address.
func (s *Server) resolveName(where string) error {
	var cc *pgx.ConnConfig
	if s.Pool != nil {
		cc = s.Pool.Config().ConnConfig
	} else {
		cfg, err := pgxpool.ParseConfig(s.URL)
		if err != nil { // its text may contain the URL
			return bad(where, "URL is not in a form that pgx takes")
		}
		cc = cfg.ConnConfig
	}
	for _, f := range cc.Fallbacks {
		if f.Host != cc.Host || f.Port != cc.Port {
			return bad(where, "must be one host: the router tells servers apart by their URLs")
		}
	}
	if s.Name == "" {
		s.Name = fmt.Sprintf("%s:%d", cc.Host, cc.Port)
	}
	return nil
}

func bad(option, reason string) error { return &smrt.OptionsError{Option: option, Reason: reason} }
