package testdb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// StandbyConfig says how a standby is made. The zero value is right for most.
type StandbyConfig struct {
	// Name is the standby's application_name on its primary, by which synchronous_standby_names knows it. Default:
	// standby1, standby2 and so on.
	Name string

	// ReplayDelay holds back each commit by that time, as DelayReplay does.
	ReplayDelay time.Duration

	// Settings differ from those of the primary, which are copied.
	Settings map[string]string
}

// Standby copies the server, which may itself be a standby, and starts the copy as a hot standby that streams from it.
// It returns when the standby answers queries; what was committed before it was called is then there to be read.
func (s *Server) Standby(ctx context.Context, cfg StandbyConfig) (*Server, error) {
	if s.external != "" {
		return nil, errExternal
	}
	ctx, cancel := withTimeout(ctx, startTimeout)
	defer cancel()
	name := s.sandbox.nextName("standby")
	standby := &Server{
		name: name, dir: filepath.Join(s.sandbox.dir, name), bin: s.bin, sandbox: s.sandbox, upstream: s,
	}
	if cfg.Name == "" {
		cfg.Name = name
	}
	if err := standby.build(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), standby.Close())
	}
	return standby, nil
}

// build makes the standby's data and starts it.
func (s *Server) build(ctx context.Context, cfg StandbyConfig) error {
	if err := s.makeDir(); err != nil {
		return err
	}
	if err := s.reserve(ctx, s.upstream); err != nil {
		return err
	}
	if err := s.copyFrom(ctx, s.upstream); err != nil {
		return err
	}
	settings := s.streaming(s.upstream, cfg.Name)
	settings["recovery_min_apply_delay"] = milliseconds(cfg.ReplayDelay)
	maps.Copy(settings, cfg.Settings)
	if err := s.launchStandby(ctx, settings); err != nil {
		return err
	}
	if cfg.ReplayDelay > 0 {
		return nil
	}
	return s.WaitForReplay(ctx, s.upstream)
}

// streaming returns the settings that let the server stream from upstream.
func (s *Server) streaming(upstream *Server, applicationName string) map[string]string {
	return map[string]string{"primary_conninfo": upstream.conninfo(applicationName), "primary_slot_name": s.name}
}

// launchStandby starts the server as a standby.
func (s *Server) launchStandby(ctx context.Context, settings map[string]string) error {
	// In the file of ALTER SYSTEM, where they win over what the primary may have in its own.
	if err := s.configure("postgresql.auto.conf", settings); err != nil {
		return err
	}
	if err := s.write("standby.signal", ""); err != nil {
		return err
	}
	return s.launch(ctx)
}

// reserve makes the upstream server keep what the standby has not received yet, for the time of the copy and of later
// stops. Without it a busy server would soon have removed that.
func (s *Server) reserve(ctx context.Context, upstream *Server) error {
	return upstream.withAdmin(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `select pg_create_physical_replication_slot($1, true)
			where not exists (select from pg_replication_slots where slot_name = $1)`, s.name)
		return err
	})
}

// leave ends what reserve began. Errors do not matter: a server that cannot be asked is on its way out itself.
func (s *Server) leave(upstream *Server) {
	if upstream.PID() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	upstream.waitFor(ctx, "the end of streaming", func(ctx context.Context, conn *pgx.Conn) (gone bool, err error) {
		if _, err := conn.Exec(ctx, `select pg_drop_replication_slot(slot_name) from pg_replication_slots
			where slot_name = $1 and not active`, s.name); err != nil {
			return false, err
		}
		err = conn.QueryRow(ctx, `select not exists (select from pg_replication_slots
			where slot_name = $1)`, s.name).Scan(&gone)
		return gone, err
	})
}

// conninfo is how a standby reaches the server.
func (s *Server) conninfo(applicationName string) string {
	return fmt.Sprintf("host=%s port=5432 user=%s application_name=%s",
		quoteValue(s.dir), Superuser, quoteValue(applicationName))
}

// PauseReplay stops the standby from applying what it receives, until ResumeReplay. It returns when replay stands.
func (s *Server) PauseReplay(ctx context.Context) error {
	if err := s.exec(ctx, "select pg_wal_replay_pause()"); err != nil {
		return fmt.Errorf("pause replay of %s: %w", s.name, err)
	}
	return s.waitFor(ctx, "pause of replay", func(ctx context.Context, conn *pgx.Conn) (done bool, err error) {
		// Recovery notices the request at its next record, or within a second of waiting for one.
		err = conn.QueryRow(ctx, "select pg_get_wal_replay_pause_state() = 'paused'").Scan(&done)
		return done, err
	})
}

// ResumeReplay ends what PauseReplay began.
func (s *Server) ResumeReplay(ctx context.Context) error {
	if err := s.exec(ctx, "select pg_wal_replay_resume()"); err != nil {
		return fmt.Errorf("resume replay of %s: %w", s.name, err)
	}
	return nil
}

// DelayReplay lets each commit become visible on the standby only when it is that old; 0 ends the delay. Every commit
// made after it returned is delayed.
func (s *Server) DelayReplay(ctx context.Context, delay time.Duration) error {
	return s.alterSystem(ctx, "recovery_min_apply_delay", milliseconds(delay))
}

// WaitForReplay waits until the standby has applied all that primary has written so far.
func (s *Server) WaitForReplay(ctx context.Context, primary *Server) error {
	var position string
	err := primary.withAdmin(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `select case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
			else pg_current_wal_lsn() end::text`).Scan(&position)
	})
	if err != nil {
		return fmt.Errorf("position of %s: %w", primary.name, err)
	}
	return s.waitFor(ctx, "replay of "+position, func(ctx context.Context, conn *pgx.Conn) (done bool, err error) {
		err = conn.QueryRow(ctx, "select coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)", position).Scan(&done)
		return done, err
	})
}

// waitFor asks until the answer is yes, or ctx, half a minute if it has no deadline, is over.
func (s *Server) waitFor(ctx context.Context, what string, ask func(context.Context, *pgx.Conn) (bool, error)) error {
	ctx, cancel := withTimeout(ctx, 30*time.Second)
	defer cancel()
	err := s.withAdmin(ctx, func(conn *pgx.Conn) error {
		for {
			done, err := ask(ctx, conn)
			if done || err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(2 * time.Millisecond):
			}
		}
	})
	if err != nil {
		return fmt.Errorf("wait for %s on %s: %w", what, s.name, err)
	}
	return nil
}

// alterSystem changes a setting and returns when it is in force. It asks new connections for that: they are children of
// the main process, which tells all its other children of a change before it makes another one.
func (s *Server) alterSystem(ctx context.Context, name, value string) error {
	var before time.Time
	err := s.withAdmin(ctx, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "alter system set "+name+" = "+quoteLiteral(value)); err != nil {
			return err
		}
		return conn.QueryRow(ctx, "select pg_conf_load_time() from pg_reload_conf()").Scan(&before)
	})
	for loaded := before; err == nil && loaded.Equal(before); {
		err = s.withAdmin(ctx, func(conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "select pg_conf_load_time()").Scan(&loaded)
		})
	}
	if err != nil {
		return fmt.Errorf("set %s of %s: %w", name, s.name, err)
	}
	return nil
}

func (s *Server) write(file, text string) error {
	path := filepath.Join(s.dataDir(), file)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return s.sandbox.owner.give(path)
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// quoteValue quotes a value of a connection string.
func quoteValue(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
