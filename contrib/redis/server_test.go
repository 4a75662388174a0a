package smrtredis_test

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// server is a Redis or a Valkey on a socket in a directory of its own.
type server struct {
	tb     testing.TB
	socket string
	cmd    *exec.Cmd
}

// startServer starts a server that ends with tb. Without the program tb is skipped, and
// fails with CI=true in the environment, where it is expected.
func startServer(tb testing.TB) *server {
	tb.Helper()
	program := findServer()
	if program == "" {
		if ci, _ := strconv.ParseBool(os.Getenv("CI")); ci {
			tb.Fatal(noServer)
		}
		tb.Skip(noServer)
	}
	dir, err := os.MkdirTemp("", "smrt-redis-") // short, as the names of sockets have to be
	if err != nil {
		tb.Fatal(err)
	}
	s := &server{tb: tb, socket: filepath.Join(dir, "s")}
	tb.Cleanup(func() {
		s.kill()
		_ = os.RemoveAll(dir)
	})
	s.start(program)
	return s
}

const noServer = "redis-server and valkey-server are not installed: install the package redis-server " +
	"(tools/install-postgres.sh redis does on Debian and Ubuntu), or set SMRT_REDIS to the program"

// findServer returns the program that SMRT_REDIS names and no other if it is set.
func findServer() string {
	candidates := []string{"redis-server", "valkey-server"}
	if path := os.Getenv("SMRT_REDIS"); path != "" {
		candidates = []string{path}
	}
	for _, name := range candidates {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func (s *server) start(program string) {
	s.tb.Helper()
	s.cmd = exec.Command(program, "--port", "0", "--unixsocket", s.socket, "--dir", filepath.Dir(s.socket), "--save", "", "--appendonly", "no")
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("unix", s.socket)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			s.tb.Fatal(err)
		}
	}
}

// kill ends the server as a power failure does: what it holds is lost.
func (s *server) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
		_ = os.Remove(s.socket)
	}
}

// newClient returns a client of the server on a socket.
func newClient(socket string) (rueidis.Client, error) {
	return rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{"redis:6379"}, DisableCache: true,
		DialCtxFn: func(ctx context.Context, _ string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return d.DialContext(ctx, "unix", socket)
		},
	})
}

// client is newClient for as long as tb runs.
func (s *server) client() rueidis.Client {
	s.tb.Helper()
	client, err := newClient(s.socket)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(client.Close)
	return client
}
