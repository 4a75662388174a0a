package testdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// copyFrom makes the server's data a base backup of another, running server. This is what pg_basebackup does, without
// needing it: the bundles of server programs that tools/postgres downloads do not contain it.
func (s *Server) copyFrom(ctx context.Context, source *Server) error {
	return source.withAdmin(ctx, func(conn *pgx.Conn) error {
		version, err := versionNumber(ctx, conn)
		if err != nil {
			return err
		}
		start, stop := "pg_backup_start('smrt', true)", "pg_backup_stop(false)"
		if version < 150000 {
			start, stop = "pg_start_backup('smrt', true, false)", "pg_stop_backup(false, false)"
		}
		if _, err := conn.Exec(ctx, "select "+start); err != nil {
			return fmt.Errorf("begin the backup: %w", err)
		}
		if err := s.copyData(ctx, source.dataDir()); err != nil {
			return fmt.Errorf("copy the data: %w", err)
		}
		var label string
		if err := conn.QueryRow(ctx, "select labelfile from "+stop).Scan(&label); err != nil {
			return fmt.Errorf("end the backup: %w", err)
		}
		return s.write("backup_label", label)
	})
}

// controlFile goes last: a copy of a standby is consistent from the position in it on.
const controlFile = "global/pg_control"

func (s *Server) copyData(ctx context.Context, from string) error {
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // dropped meanwhile; replay knows
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil || leaveOut(name, entry.IsDir()) {
			return err
		}
		return s.copyEntry(path, filepath.Join(s.dataDir(), name), entry.IsDir())
	})
	if err != nil {
		return err
	}
	return s.copyEntry(filepath.Join(from, controlFile), filepath.Join(s.dataDir(), controlFile), false)
}

// leaveOut reports whether a file or directory belongs to the running server and not to its data. The list is that of
// the manual, under "Backing Up the Data Directory". Of the log only the history of timelines is copied; the rest is
// streamed.
func leaveOut(name string, isDir bool) bool {
	switch name {
	case "postmaster.pid", "postmaster.opts", "standby.signal", "recovery.signal", "backup_label", controlFile:
		return true
	}
	top, below, _ := strings.Cut(name, "/")
	if below == "" {
		return false
	}
	switch top {
	case "pg_dynshmem", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots", "pg_stat_tmp", "pg_subtrans":
		return true // the directory itself stays, empty
	case "pg_wal":
		return !isDir && !strings.HasSuffix(name, ".history")
	}
	return strings.Contains(name, "/pg_internal.init") || strings.Contains(name, "/pgsql_tmp")
}

func (s *Server) copyEntry(from, to string, isDir bool) error {
	if isDir {
		if err := os.Mkdir(to, 0o700); err != nil {
			return err
		}
		return s.sandbox.owner.give(to)
	}
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	return s.sandbox.owner.give(to)
}
