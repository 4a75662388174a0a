package production

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// oldest is the oldest server that the library is tested with, newest the newest.
const oldest, newest = 14, 18

// Bounds from which on a number is found.
const (
	manyXIDs = 1_000_000_000 // of 2,146,483,647, at which the server refuses to write
	longOpen = time.Hour
)

// check is one of the list.
type check struct {
	id, level string
	holds     func(*State) bool // what should be different
	problem   func(*State) string
	sql       func(*State) string
}

// says is a problem that is the same for all.
func says(text string) func(*State) string { return func(*State) string { return text } }

// checks are in the order of the guide.
var checks = []check{
	{
		"D1", Fault, func(s *State) bool { return !s.Fsync || !s.FullPageWrites },
		says("fsync or full_page_writes is off: after a crash of the machine the database may be broken"),
		func(s *State) string { return system("fsync", "on") + "; " + system("full_page_writes", "on") },
	},
	{
		"D2", Note, func(s *State) bool { return !s.SynchronousCommit },
		says("synchronous_commit is off: transactions of the last moments before a crash are lost although COMMIT was answered"),
		func(s *State) string { return s.setting("synchronous_commit", "on") },
	},
	{
		"D3", Note, func(s *State) bool { return !s.Archives },
		says("the log is not archived, and no standby is connected: what was written since the last dump has no copy"), nil,
	},
	{
		"D4", Note, func(s *State) bool { return !s.Checksums },
		says("data checksums are off: a disk that returns wrong pages is not noticed (pg_checksums --enable, with the server stopped)"), nil,
	},
	{
		"D5", Fault, func(s *State) bool { return !s.Autovacuum || !s.TrackCounts },
		says("autovacuum or track_counts is off: tables grow, and the server stops when transaction ids run out"),
		func(s *State) string { return system("autovacuum", "on") + "; " + system("track_counts", "on") },
	},
	{
		"D6", Warning, func(s *State) bool { return s.OldestXIDs > manyXIDs },
		func(s *State) string {
			return fmt.Sprintf("the oldest row is %d transactions old: at 2,146,483,647 the server stops writing; find what keeps vacuum from its work", s.OldestXIDs)
		}, func(*State) string { return "VACUUM (FREEZE)" },
	},
	{
		"D7", Warning, func(s *State) bool { return len(s.LostSlots) > 0 },
		func(s *State) string {
			return "nobody reads the replication slots " + strings.Join(s.LostSlots, ", ") + ", which keep the log until the disk is full"
		}, func(*State) string { return system("max_slot_wal_keep_size", "'10GB'") },
	},
	{
		"D8", Warning, func(s *State) bool { return s.CollationChanged },
		says("the system's collations are of another version than those that indexes on text were built with: they may miss rows; rebuild them, then refresh the version"),
		func(s *State) string {
			name := pgx.Identifier{s.Database}.Sanitize()
			return "REINDEX DATABASE " + name + "; ALTER DATABASE " + name + " REFRESH COLLATION VERSION"
		},
	},
	{
		"D9", Warning, func(s *State) bool { return s.Encoding != "UTF8" },
		func(s *State) string {
			return "the encoding is " + s.Encoding + ": texts that it cannot hold are refused"
		}, nil,
	},
	{
		"D10", Warning, func(s *State) bool { return s.Version/1_00_00 < oldest || s.Version/1_00_00 > newest },
		func(s *State) string {
			return fmt.Sprintf("the server is version %d: the library is tested with %d to %d", s.Version/1_00_00, oldest, newest)
		}, nil,
	},
	{
		"D11", Fault, func(s *State) bool { return s.Superuser || s.BypassesRLS },
		func(s *State) string {
			return "the role " + s.Role + " is a superuser or goes past row security: a mistake of the program can do anything, and tenants are not held apart"
		}, func(s *State) string { return "CREATE ROLE app LOGIN NOSUPERUSER NOBYPASSRLS" },
	},
	{
		"D12", Note, func(s *State) bool { return s.OwnsTables && !s.Superuser },
		func(s *State) string {
			return "the role " + s.Role + " owns tables: it may alter and drop them, and policies do not hold it; let migrations run as another role"
		}, nil,
	},
	{
		"D13", Warning, func(s *State) bool { return s.PublicCreates },
		says("every role may create objects in schema public, and so put functions in the way of others"),
		func(*State) string { return "REVOKE CREATE ON SCHEMA public FROM PUBLIC" },
	},
	{
		"D14", Fault, func(s *State) bool { return !s.TLS && !s.local() },
		func(s *State) string {
			return "the connection to " + s.Host + " is not encrypted: set sslmode=verify-full"
		}, nil,
	},
	{
		"D15", Warning, func(s *State) bool { return s.PasswordEncryption == "md5" },
		says("new passwords are stored as md5"), func(*State) string { return system("password_encryption", "'scram-sha-256'") },
	},
	{
		"D16", Warning, func(s *State) bool { return s.StatementTimeout == 0 },
		says("statement_timeout is not set: a statement that goes wrong holds its connection and locks for ever"),
		func(s *State) string { return s.setting("statement_timeout", "30s") },
	},
	{
		"D17", Warning, func(s *State) bool { return s.IdleTimeout == 0 },
		says("idle_in_transaction_session_timeout is not set: a client that hangs in a transaction holds its locks, and keeps vacuum from its work"),
		func(s *State) string { return s.setting("idle_in_transaction_session_timeout", "60s") },
	},
	{
		"D18", Note, func(s *State) bool { return s.LockTimeout == 0 },
		says("lock_timeout is not set: calls wait for locks for as long as statement_timeout allows"),
		func(s *State) string { return s.setting("lock_timeout", "5s") },
	},
	{
		"D19", Warning, func(s *State) bool { return s.Connections*10 > s.MaxConnections*8 },
		func(s *State) string {
			return fmt.Sprintf("%d of %d connections are in use: the next deployment, which doubles pools for a moment, may find none", s.Connections, s.MaxConnections)
		}, nil,
	},
	{
		"D20", Warning, func(s *State) bool { return s.OpenFor > longOpen },
		func(s *State) string {
			return fmt.Sprintf("a transaction has been open for %v: rows that were deleted since are still there", s.OpenFor.Round(time.Second))
		}, nil,
	},
	{
		"D21", Note, func(s *State) bool { return !s.StatStatements },
		says("pg_stat_statements is not installed: nobody can say what the server does all day"),
		func(*State) string { return "CREATE EXTENSION pg_stat_statements" },
	},
	{
		"D22", Note, func(s *State) bool { return !s.TrackIOTiming },
		says("track_io_timing is off: plans do not say what is waited for"),
		func(*State) string { return system("track_io_timing", "on") },
	},
}

// Judge returns what should be different, the worst first.
func Judge(s *State) []Finding {
	var found []Finding
	for _, level := range []string{Fault, Warning, Note} {
		for _, c := range checks {
			if c.level != level || !c.holds(s) {
				continue
			}
			f := Finding{Level: c.level, Check: c.id, Problem: c.problem(s)}
			if c.sql != nil {
				f.SQL = c.sql(s)
			}
			found = append(found, f)
		}
	}
	return found
}

// Checks returns the names of all checks.
func Checks() []string {
	names := make([]string, len(checks))
	for i, c := range checks {
		names[i] = c.id
	}
	return slices.Clip(names)
}
