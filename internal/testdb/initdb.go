package testdb

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
)

// initialize makes an empty cluster and writes the settings.
func (s *Server) initialize(ctx context.Context, cfg Config) error {
	if err := s.makeDir(); err != nil {
		return err
	}
	pristine := s.pristine(os.Getenv(ServerVariable))
	if pristine != "" && !cfg.Unrelated {
		if err := s.copyTree(pristine, s.dataDir()); err != nil {
			return err
		}
	} else if err := s.initdb(ctx); err != nil {
		return err
	}
	if cfg.Shared {
		if err := s.keepPristine(); err != nil {
			return err
		}
	}
	return s.configure("postgresql.conf", cfg.settings())
}

func (s *Server) initdb(ctx context.Context) error {
	return s.sandbox.run(ctx, s.name+"-initdb", s.logFile(), filepath.Join(s.bin, "initdb"), "--pgdata", s.dataDir(),
		"--username", Superuser, "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
}

// A shared server keeps what initdb made in a directory beside its own, and the
// directory of the programs that made it. To copy it takes 0.5 s of processor time, initdb 2.2 s.
const (
	pristineData   = "initdb/data"
	pristineBinDir = "initdb/bin"
)

// pristine returns the data directory that the shared server with that socket
// keeps, empty if there is none from the programs that s is to run.
func (s *Server) pristine(socketDir string) string {
	if socketDir == "" {
		return ""
	}
	dir := filepath.Dir(socketDir)
	if bin, err := os.ReadFile(filepath.Join(dir, pristineBinDir)); err != nil || string(bin) != s.bin {
		return ""
	}
	return filepath.Join(dir, pristineData)
}

func (s *Server) keepPristine() error {
	data, bin := filepath.Join(s.sandbox.dir, pristineData), filepath.Join(s.sandbox.dir, pristineBinDir)
	if err := os.Mkdir(filepath.Dir(data), 0o700); err != nil {
		return err
	}
	if err := s.copyTree(s.dataDir(), data); err != nil {
		return err
	}
	return os.WriteFile(bin, []byte(s.bin), 0o600)
}

// copyTree copies a data directory of a server that does not run.
func (s *Server) copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return s.copyEntry(path, filepath.Join(to, name), entry.IsDir())
	})
}
