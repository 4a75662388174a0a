package testdb

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// CreateDatabase makes a database, as a copy of template if that is not empty.
//
// It copies files, as servers before 15 do. The default since then, to write each
// block to the log, takes 105 to 245 ms of processor time for a small database,
// files 45 to 65.
func (s *Server) CreateDatabase(ctx context.Context, name, template string) error {
	sqlText := "create database " + quoteName(name)
	if template != "" {
		sqlText += " template " + quoteName(template)
	}
	err := s.withAdmin(ctx, func(conn *pgx.Conn) error {
		version, err := versionNumber(ctx, conn)
		if version >= 150000 {
			sqlText += " strategy file_copy"
		}
		if err == nil {
			_, err = conn.Exec(ctx, sqlText, pgx.QueryExecModeExec)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// DropDatabase removes a database, breaking the connections to it.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	err := s.withAdmin(ctx, func(conn *pgx.Conn) error { return dropDatabase(ctx, conn, name) })
	if err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

// dropLater drops a database that no test uses any more beside the next one, which need not wait for it.
func (h *host) dropLater(name string) {
	h.dropping.Go(func() error {
		err := h.DropDatabase(context.Background(), name)
		if err != nil && h.lease != nil {
			return nil // the lease tries again at the end
		}
		return err
	})
}

func dropDatabase(ctx context.Context, conn *pgx.Conn, name string) error {
	if err := disconnect(ctx, conn, name); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, "drop database if exists "+quoteName(name)+" with (force)", pgx.QueryExecModeExec)
	return err
}

// disconnect ends the connections to a database. Those of a pool that was closed take the server some milliseconds,
// and CREATE and DROP DATABASE wait for them in steps of 100 ms. They say what is wrong if some do not end.
func disconnect(ctx context.Context, conn *pgx.Conn, name string) error {
	for deadline := time.Now().Add(Patience(5 * time.Second)); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		var left int
		err := conn.QueryRow(ctx, `select count(pg_terminate_backend(pid))
			from pg_stat_activity where datname = $1 and backend_type = 'client backend'`, name).Scan(&left)
		if err != nil || left == 0 {
			return err
		}
	}
	return nil
}

// sealTemplate closes a database to connections, so that it can be copied at any time. Whoever filled it may still be
// disconnecting.
func (s *Server) sealTemplate(ctx context.Context, name string) error {
	return s.withAdmin(ctx, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "alter database "+quoteName(name)+" with allow_connections false"); err != nil {
			return err
		}
		return disconnect(ctx, conn, name)
	})
}

func (s *Server) exec(ctx context.Context, sqlText string) error {
	return s.withAdmin(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sqlText)
		return err
	})
}

// withAdmin runs fn on a connection to the maintenance database.
func (s *Server) withAdmin(ctx context.Context, fn func(*pgx.Conn) error) error {
	ctx, cancel := withTimeout(ctx, 30*time.Second)
	defer cancel()
	return s.admins.with(ctx, s.connectAdmin, fn)
}

func (s *Server) connectAdmin(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, cmp.Or(s.external, s.DSN("postgres")))
}

// replaceDatabase returns dsn, a URL or a list of key=value pairs, with another database.
func replaceDatabase(dsn, database string) string {
	if !strings.Contains(dsn, "://") {
		return dsn + " dbname='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database) + "'"
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return dsn // connecting reports what is wrong with it
	}
	u.Path = "/" + database
	return u.String()
}

func quoteName(name string) string { return pgx.Identifier{name}.Sanitize() }
