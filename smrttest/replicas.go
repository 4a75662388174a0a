package smrttest

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/testdb"
)

// Cluster is a primary and its standbys, which stream from it.
type Cluster struct {
	Primary  *Server   // the server that was the primary when the cluster was made
	Standbys []*Server // the others
}

// Server is a PostgreSQL server that a test has for itself and may break. Its methods are safe for concurrent use, except
// that those which start and stop it must not run at the same time.
type Server struct {
	engine *testdb.Server
}

// clusterDatabase is the database of a cluster that has the schema.
const clusterDatabase = "test"

// Replicas gives t a primary with the schema and that many standbys of it, at least one. They are for tests of what
// reads from standbys and of failovers, and end with t:
//
//	servers := smrttest.Replicas(t, schema, 2)
//	db, err := readreplica.Open(ctx, readreplica.Config{Servers: []readreplica.Server{
//		{URL: servers.Primary.DSN()}, {URL: servers.Standbys[0].DSN()}, {URL: servers.Standbys[1].DSN()},
//	}})
//
// It takes about a second for the primary and half a second for each standby. What the schema made is on the standbys
// when it returns. Connections to these servers are not looked at when t ends. With SMRT_TEST_DSN the test is skipped: a
// server found running is not to be copied or stopped.
func Replicas(t testing.TB, schema Schema, standbys int) *Cluster {
	t.Helper()
	if os.Getenv("SMRT_TEST_DSN") != "" {
		t.Skipf("smrttest: Replicas starts servers of its own, and SMRT_TEST_DSN names another one")
		return nil
	}
	if standbys < 1 || standbys > maxStandbys {
		t.Fatalf("smrttest: Replicas with %d standbys: from 1 to %d are possible", standbys, maxStandbys)
		return nil
	}
	cluster, err := startCluster(context.Background(), schema, standbys)
	if err != nil {
		t.Fatalf("smrttest: %v", explain(err))
		return nil
	}
	t.Cleanup(func() {
		if err := cluster.Primary.engine.Close(); err != nil {
			t.Errorf("smrttest: %v", err)
		}
	})
	return cluster
}

// maxStandbys is what the primary has processes and slots for.
const maxStandbys = 8

func startCluster(ctx context.Context, schema Schema, standbys int) (*Cluster, error) {
	primary, err := testdb.Start(ctx, testdb.Config{})
	if err != nil {
		return nil, err
	}
	cluster := &Cluster{Primary: &Server{primary}}
	if err := cluster.fill(ctx, schema, standbys); err != nil {
		return nil, errors.Join(err, primary.Close())
	}
	return cluster, nil
}

func (c *Cluster) fill(ctx context.Context, schema Schema, standbys int) error {
	primary := c.Primary.engine
	if err := primary.CreateDatabase(ctx, clusterDatabase, ""); err != nil {
		return err
	}
	if schema.engine.Apply != nil {
		if err := schema.engine.Apply(ctx, primary.DSN(clusterDatabase)); err != nil {
			return err
		}
	}
	for range standbys {
		standby, err := primary.Standby(ctx, testdb.StandbyConfig{})
		if err != nil {
			return err
		}
		c.Standbys = append(c.Standbys, &Server{standby})
	}
	return nil
}

// WaitForReplay returns when all standbys have applied what the primary has written so far, half a minute at most if ctx
// has no deadline.
func (c *Cluster) WaitForReplay(ctx context.Context) error {
	for _, s := range c.Standbys {
		if err := s.engine.WaitForReplay(ctx, c.Primary.engine); err != nil {
			return err
		}
	}
	return nil
}

// DSN returns the connection string of the database with the schema on this server.
func (s *Server) DSN() string { return s.engine.DSN(clusterDatabase) }

// Stop ends the server in an orderly way, breaking connections. Its data stay.
func (s *Server) Stop(ctx context.Context) error { return s.engine.Stop(ctx) }

// Kill ends the server and all its processes as a crash would. Its data stay.
func (s *Server) Kill() error { return s.engine.Kill() }

// Start starts the server again after Stop or Kill. One that runs is stopped first.
func (s *Server) Start(ctx context.Context) error { return s.engine.Restart(ctx) }

// Freeze halts the server: connections stay open and nothing answers, as when a machine hangs.
func (s *Server) Freeze() error { return s.engine.Freeze() }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() error { return s.engine.Thaw() }

// Promote makes a standby a primary, and returns when it accepts writes. The old primary should be stopped before.
func (s *Server) Promote(ctx context.Context) error { return s.engine.Promote(ctx) }

// Follow lets a standby stream from another server, as after a failover.
func (s *Server) Follow(ctx context.Context, primary *Server) error {
	return s.engine.Follow(ctx, primary.engine)
}

// Rejoin lets a server come back as a standby of another: an old primary after a failover. What it alone had written is
// lost.
func (s *Server) Rejoin(ctx context.Context, primary *Server) error {
	return s.engine.Rejoin(ctx, primary.engine)
}

// PauseReplay stops a standby from applying what it receives, so that reads on it are of the past.
func (s *Server) PauseReplay(ctx context.Context) error { return s.engine.PauseReplay(ctx) }

// ResumeReplay ends what PauseReplay began.
func (s *Server) ResumeReplay(ctx context.Context) error { return s.engine.ResumeReplay(ctx) }

// DelayReplay lets each commit become visible on a standby only when it is that old, to the millisecond; 0 ends it.
func (s *Server) DelayReplay(ctx context.Context, delay time.Duration) error {
	return s.engine.DelayReplay(ctx, delay)
}

// Log returns the end of what the server logged.
func (s *Server) Log() string { return s.engine.Log() }
