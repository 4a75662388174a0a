// Package production checks what a machine can check of the list in docs/guides/production.md:
// settings of the server and of the role that a program connects as.
package production

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Levels of findings, as smrt verify has them.
const (
	Fault   = "fault"   // data may be lost, or read by others
	Warning = "warning" // sooner or later the service stops
	Note    = "note"    // worth a thought
)

// Finding is something that should be different in production.
type Finding struct {
	Level, Check string
	Problem      string // one sentence
	SQL          string // what ends it, or empty
}

// State is what the server says of itself and of the role. Durations of settings are zero where
// there is no limit.
type State struct {
	Database, Role string
	Host           string // that the connection goes to: a directory for a socket
	TLS            bool
	Superuser      bool
	BypassesRLS    bool
	OwnsTables     bool
	PublicCreates  bool // everybody may create tables in schema public

	StatementTimeout, LockTimeout, IdleTimeout time.Duration

	Fsync, FullPageWrites, SynchronousCommit bool
	Autovacuum, TrackCounts                  bool
	Checksums                                bool
	TrackIOTiming, StatStatements            bool
	PasswordEncryption                       string
	Encoding                                 string
	CollationChanged                         bool // the database was made with another version of it

	Version        int // server_version_num
	MaxConnections int
	Connections    int
	OldestXIDs     int64         // transactions since the oldest row that is not frozen
	OpenFor        time.Duration // the oldest transaction
	LostSlots      []string      // replication slots that nobody reads and that hold the log
	Archives       bool          // the log is archived, or a standby is connected
}

const stateSQL = `SELECT current_database(), current_user,
	coalesce((SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()), false),
	r.rolsuper, r.rolbypassrls,
	EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' AND c.relowner = r.oid),
	coalesce((SELECT pg_catalog.has_schema_privilege('public', n.oid, 'CREATE') FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public'), false),
	(SELECT array_agg(setting::bigint ORDER BY name) FROM pg_catalog.pg_settings -- in milliseconds
		WHERE name IN ('idle_in_transaction_session_timeout', 'lock_timeout', 'statement_timeout')),
	current_setting('fsync')::boolean, current_setting('full_page_writes')::boolean, current_setting('synchronous_commit') <> 'off',
	current_setting('autovacuum')::boolean, current_setting('track_counts')::boolean, current_setting('data_checksums')::boolean,
	current_setting('track_io_timing')::boolean,
	EXISTS (SELECT 1 FROM pg_catalog.pg_extension WHERE extname = 'pg_stat_statements'),
	current_setting('password_encryption'), pg_catalog.pg_encoding_to_char(d.encoding),
	current_setting('server_version_num')::int, current_setting('max_connections')::int,
	(SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'),
	(SELECT max(age(datfrozenxid)) FROM pg_catalog.pg_database WHERE datallowconn),
	coalesce((SELECT extract(epoch FROM max(now() - xact_start)) FROM pg_catalog.pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()), 0)::float8,
	(SELECT coalesce(array_agg(slot_name::text ORDER BY slot_name), '{}') FROM pg_catalog.pg_replication_slots
		WHERE NOT active AND current_setting('max_slot_wal_keep_size') = '-1'),
	current_setting('archive_mode') <> 'off' OR EXISTS (SELECT 1 FROM pg_catalog.pg_stat_replication)
FROM pg_catalog.pg_roles r, pg_catalog.pg_database d WHERE r.rolname = current_user AND d.datname = current_database()`

// collationSQL is for servers from 15 on.
const collationSQL = `SELECT coalesce(datcollversion <> pg_catalog.pg_database_collation_actual_version(oid), false)
FROM pg_catalog.pg_database WHERE datname = current_database()`

// Read asks a server, in one read-only transaction.
func Read(ctx context.Context, dsn string) (*State, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	s := &State{Host: conn.Config().Host}
	return s, pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error { return s.read(ctx, tx) })
}

func (s *State) read(ctx context.Context, tx pgx.Tx) error {
	var open float64
	var timeouts []int64
	if err := tx.QueryRow(ctx, stateSQL).Scan(&s.Database, &s.Role, &s.TLS, &s.Superuser, &s.BypassesRLS, &s.OwnsTables, &s.PublicCreates,
		&timeouts, &s.Fsync, &s.FullPageWrites, &s.SynchronousCommit,
		&s.Autovacuum, &s.TrackCounts, &s.Checksums, &s.TrackIOTiming, &s.StatStatements, &s.PasswordEncryption, &s.Encoding,
		&s.Version, &s.MaxConnections, &s.Connections, &s.OldestXIDs, &open, &s.LostSlots, &s.Archives); err != nil {
		return err
	}
	for i, of := range []*time.Duration{&s.IdleTimeout, &s.LockTimeout, &s.StatementTimeout} {
		*of = time.Duration(timeouts[i]) * time.Millisecond
	}
	s.OpenFor = time.Duration(open * float64(time.Second))
	if s.Version < 15_00_00 {
		return nil
	}
	return tx.QueryRow(ctx, collationSQL).Scan(&s.CollationChanged)
}

// local reports whether what is sent leaves the machine.
func (s *State) local() bool {
	ip := net.ParseIP(s.Host)
	return strings.HasPrefix(s.Host, "/") || strings.HasPrefix(s.Host, "@") || s.Host == "localhost" || ip != nil && ip.IsLoopback()
}

// setting returns the statement that gives the role a setting.
func (s *State) setting(name, value string) string {
	return fmt.Sprintf("ALTER ROLE %s IN DATABASE %s SET %s = '%s'",
		pgx.Identifier{s.Role}.Sanitize(), pgx.Identifier{s.Database}.Sanitize(), name, value)
}

func system(name, value string) string {
	return "ALTER SYSTEM SET " + name + " = " + value
}
