package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

// Server is what a pool found out about its server with the first connection. It is
// not looked at again: after a failover it is what the first server was.
type Server struct {
	Version  int    // such as 150018 for 15.18
	Standby  bool   // it was recovering, and took no writes
	System   int64  // identifies the cluster: a primary and its standbys have the same; 0 if the role may not ask
	Timeline uint32 // of the write-ahead log; 0 if the role may not ask
	Mode     Mode   // what is between the program and the server
	Prepares bool   // prepared statements work: directly, or because the pooler keeps track of them
}

// hasSessions reports whether a connection is a session of the server for as long
// as it lasts.
func (s *Server) hasSessions() bool {
	return s == nil || s.Mode == Direct || s.Mode == Session
}

// What to do where a pooler is in the way.
const (
	hintSession     = "use SET LOCAL, set_config(..., true), transaction-level locks, or a pool whose URL leads to the server itself"
	hintTransaction = "set pool_mode to transaction in the pooler, or give a URL that leads to the server itself"
	hintPrepared    = "set max_prepared_statements in the pooler (PgBouncer 1.21 or later), or default_query_exec_mode=cache_describe in the URL"
	hintMode        = hintPrepared + ", and leave Config.Mode empty so that it is found out"
)

// What is between the program and the server is found out like this. A pooler
// stands between them if the server's process is not the one that was said to the
// client; its mode is then what two connections show that are open together:
//
//	BEGIN is refused                              Statement
//	there is no second connection, or it waits    Session: the first one holds its process
//	both meet in one process, or one of them has  Transaction
//	several
//	neither, 16 times                             Session
//
// Where a connection is not a session, a statement is prepared and looked for by
// its text: a pooler that keeps track of prepared statements has given it a name
// of its own (prepares).

// detect finds out about the server before the first connection of the pool. It
// needs connections of its own, because how pgx prepares statements must be
// known when a connection is opened.
func (p *Pool) detect(ctx context.Context, cfg *pgx.ConnConfig) (*Server, error) {
	if s := p.server.Load(); s != nil {
		return s, nil
	}
	p.detecting.Lock()
	defer p.detecting.Unlock()
	if s := p.server.Load(); s != nil {
		return s, nil
	}
	q := &probe{pool: p, config: cfg.Copy()}
	q.config.Tracer = &tracer{pool: p}
	q.config.DefaultQueryExecMode = pgx.QueryExecModeExec // needs nothing of a pooler
	ctx, cancel := context.WithTimeout(ctx, 2*p.settings.ConnectTimeout)
	defer cancel()
	s, err := q.run(ctx)
	if err != nil {
		return nil, err
	}
	p.server.Store(s)
	return s, nil
}

// probe asks a server what it is, and what is in front of it.
type probe struct {
	pool   *Pool
	config *pgx.ConnConfig
}

const (
	serverSQL = "SELECT pg_backend_pid(), current_setting('server_version_num')::integer, pg_is_in_recovery()"

	// A role may be forbidden to ask this.
	clusterSQL = `SELECT system_identifier, CASE WHEN pg_is_in_recovery() THEN timeline_id::bigint
		ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint END
		FROM pg_control_system(), pg_control_checkpoint()`

	pidSQL = "SELECT pg_backend_pid()"
)

// run asks the server for its version, its role and its identity, and finds out what
// is in front of it, unless Config.Mode says that.
func (q *probe) run(ctx context.Context) (*Server, error) {
	conn, err := pgx.ConnectConfig(ctx, q.config)
	if err != nil {
		return nil, err
	}
	defer func() { q.leave(ctx, conn) }()
	s := &Server{Mode: q.pool.settings.Mode}
	var pid uint32
	if err := conn.QueryRow(ctx, traced.Pass(serverSQL, "", "server")).Scan(&pid, &s.Version, &s.Standby); err != nil {
		return nil, fmt.Errorf("ask the server for its version: %w", err)
	}
	var timeline int64
	if err := conn.QueryRow(ctx, traced.Pass(clusterSQL, "", "server")).Scan(&s.System, &timeline); err != nil && !isServers(err) {
		return nil, fmt.Errorf("ask the server for its identity: %w", err)
	}
	s.Timeline = uint32(timeline)
	direct := pid == conn.PgConn().PID() // a pooler gives its clients numbers of its own
	if s.Mode == "" {
		if s.Mode = Direct; !direct {
			if s.Mode, err = q.mode(ctx, conn); err != nil {
				return nil, err
			}
		}
	}
	if s.Prepares = s.hasSessions(); s.Prepares {
		return s, nil
	}
	if s.Prepares, err = q.prepares(ctx); err != nil {
		return nil, fmt.Errorf("find out whether the pooler keeps prepared statements: %w", err)
	}
	return s, nil
}

func (q *probe) leave(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), linger)
	defer cancel()
	_ = conn.Close(ctx) // there is nothing to lose
}

// How often two connections are compared, and how long the second one may take
// to get a session of its own.
const (
	comparisons = 16
	secondTime  = 500 * time.Millisecond
)

// mode tells pooling modes apart. Two connections that are both open never meet
// in one process of the server if each has a session of its own.
func (q *probe) mode(ctx context.Context, first *pgx.Conn) (Mode, error) {
	if _, err := first.Exec(ctx, "BEGIN"); err != nil {
		if isServers(err) { // PgBouncer allows no transaction in this mode
			return Statement, nil
		}
		return "", fmt.Errorf("find out how the pooler works: %w", err)
	}
	if _, err := first.Exec(ctx, "ROLLBACK"); err != nil {
		return "", fmt.Errorf("find out how the pooler works: %w", err)
	}
	short, cancel := context.WithTimeout(ctx, secondTime)
	defer cancel()
	second, err := pgx.ConnectConfig(short, q.config)
	if err != nil {
		return Session, nil // no room for it next to the first
	}
	defer func() { q.leave(ctx, second) }()
	firsts, seconds := map[uint32]bool{}, map[uint32]bool{}
	for range comparisons {
		var a, b uint32
		for range 2 { // where connections take turns, asking once each would always meet the same
			if err := first.QueryRow(ctx, traced.Pass(pidSQL, "", "server")).Scan(&a); err != nil {
				return "", fmt.Errorf("find out how the pooler works: %w", err)
			}
			firsts[a] = true
		}
		if err := second.QueryRow(short, pidSQL).Scan(&b); err != nil {
			return Session, nil // it waits for the first to end
		}
		seconds[b] = true
		if firsts[b] || seconds[a] || len(firsts) > 1 || len(seconds) > 1 {
			return Transaction, nil
		}
	}
	return Session, nil
}

// The statement that is prepared to see by which name the server knows it.
const (
	probeName = "smrt_probe"
	probeSQL  = "SELECT 'smrt_probe'"
	namesSQL  = "SELECT name FROM pg_prepared_statements WHERE statement = 'SELECT ''smrt_probe'''"
)

// prepares reports whether the pooler keeps track of prepared statements: it then
// gives them names of its own. All is sent before the only Sync, so that it
// reaches one connection of the server in each mode.
func (q *probe) prepares(ctx context.Context) (bool, error) {
	conn, err := pgconn.ConnectConfig(ctx, &q.config.Config)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close(ctx) }() // there is nothing to lose
	pipe := conn.StartPipeline(ctx)
	pipe.SendPrepare(probeName, probeSQL, nil)
	pipe.SendQueryParams(namesSQL, nil, nil, nil, nil)
	pipe.SendDeallocate(probeName)
	if err := pipe.Sync(); err != nil {
		return false, errors.Join(err, pipe.Close())
	}
	kept := false
	for {
		result, err := pipe.GetResults()
		switch r := result.(type) {
		case *pgconn.ResultReader:
			read := r.Read()
			if err = read.Err; err == nil {
				kept = len(read.Rows) > 0
			}
			for _, row := range read.Rows {
				kept = kept && string(row[0]) != probeName
			}
		case *pgconn.PipelineSync:
			return kept, pipe.Close()
		}
		if err != nil {
			return false, errors.Join(err, pipe.Close())
		}
	}
}

// isServers reports whether the server, or the pooler, returned err, and not the
// network.
func isServers(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg)
}

// beforeConnect is pgx's hook. It chooses how a new connection sends its
// statements.
func (p *Pool) beforeConnect(ctx context.Context, cfg *pgx.ConnConfig) error {
	if p.userBeforeConnect != nil {
		if err := p.userBeforeConnect(ctx, cfg); err != nil {
			return err
		}
	}
	cfg.BuildContextWatcherHandler = p.watch // the hook may have set another: a connection must have its state
	s, err := p.detect(ctx, cfg)
	if err != nil {
		p.connectFailed(err)
		return err
	}
	if s.Prepares {
		return nil
	}
	switch cfg.DefaultQueryExecMode {
	case pgx.QueryExecModeCacheStatement:
		cfg.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	case pgx.QueryExecModeDescribeExec: // two round trips, between which the pooler may change the connection
		return &smrt.PoolerError{
			Mode: string(s.Mode), Feature: "the mode describe_exec",
			Hint: "use cache_describe, or leave default_query_exec_mode to the pool",
		}
	}
	return nil
}

// explain makes a typed error of what a pooler reports.
func (p *Pool) explain(err error) error {
	if err == nil {
		return nil
	}
	var refused *smrt.PoolerError
	if errors.As(err, &refused) {
		return refused // without what pgx says of the context that it came in
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || !pgerr.IsPooler(pg) {
		return err
	}
	s := p.server.Load()
	if s == nil || s.Mode == Direct && p.settings.Mode == "" {
		return err // it is the user's own statement
	}
	return &smrt.PoolerError{Mode: string(s.Mode), Feature: "a prepared statement", Hint: hintMode, Err: err}
}
