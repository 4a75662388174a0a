//go:build unix

package testdb

import (
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
)

// MemoryRoom is how much a file system in memory must have left.
const MemoryRoom = memoryRoom

// Bridges for the external tests.
var (
	LeaveOut        = leaveOut
	ReplaceDatabase = replaceDatabase
	VersionIn       = versionIn
	BinaryDirs      = binaryDirs
	MemoryDir       = memoryDir
)

// Dir returns the sandbox's directory.
func (s *Server) Dir() string { return s.sandbox.dir }

// CanReach reports whether a user who is neither root nor the directory's owner may enter it.
func CanReach(dir string) bool {
	nobody := &owner{uid: 65534, gid: 65534}
	return nobody.canReach(dir)
}

// ServerRunsAs returns the user id of the servers.
func ServerRunsAs() (int, error) {
	own, err := serverOwner()
	if own == nil {
		return os.Getuid(), err
	}
	return int(own.uid), err
}

// SparesOf returns how many copies of a schema are ready, when those that are being made are.
func SparesOf(schema Schema) int {
	t := shared.host.templateOf(schema)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.spares {
		<-s.done
	}
	return len(t.spares)
}

// KeepAdmins lets a server keep so many connections to its maintenance database.
func KeepAdmins(s *Server, n int) { s.admins.most = n }

// AdminPID returns the process of a connection to the maintenance database, whose use ends with err.
func AdminPID(t *testing.T, s *Server, err error) (pid uint32) {
	t.Helper()
	got := s.withAdmin(t.Context(), func(conn *pgx.Conn) error {
		pid = conn.PgConn().PID()
		return err
	})
	if !errors.Is(got, err) {
		t.Fatal(got)
	}
	return pid
}
