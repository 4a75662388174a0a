package txn_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// translated is a pool whose server says every error with the same text, as if in
// a language that nobody here knows.
type translated struct {
	*bank
	text string
}

func (p translated) BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error) {
	tx, err := p.bank.BeginTx(ctx, o)
	return translatedTx{tx, p.text}, err
}

type translatedTx struct {
	pgx.Tx
	text string
}

func (t translatedTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	tag, err := t.Tx.Exec(ctx, sql, args...)
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		pg.Message = t.text
	}
	return tag, err
}

// TestStatementTimeoutInAnyLanguage proves that a timeout is told from a request
// to cancel without reading what the server says, which is translated.
func TestStatementTimeoutInAnyLanguage(t *testing.T) {
	const timeout, request = "canceling statement due to statement timeout", "canceling statement due to user request"
	for what, text := range map[string]string{"another language": "Anweisung wird abgebrochen", "the text of a request": request} {
		b := translated{newBank(t, testdb.MaxConns(1)), text}
		err := txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "SELECT pg_sleep(5)")
			return err
		}, txn.Options{StatementTimeout: 20 * time.Millisecond})
		check.Error(t, what, err, smrt.ErrStatementTimeout)
	}
	for _, setting := range []string{"20", "200ms"} {
		b := translated{newBank(t, testdb.MaxConns(1), testdb.Configure(func(cfg *pgxpool.Config) {
			cfg.ConnConfig.RuntimeParams["statement_timeout"] = setting
		})), "Anweisung wird abgebrochen"}
		err := txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "SELECT pg_sleep(5)")
			return err
		})
		check.Error(t, "the session's "+setting, err, smrt.ErrStatementTimeout)
	}
	// The control: a request to cancel that has the text of a timeout.
	b := translated{newBank(t, testdb.MaxConns(1)), timeout}
	cancelled := func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SELECT pg_cancel_backend(pg_backend_pid())")
		return err
	}
	for what, o := range map[string]txn.Options{"no timeout": {}, "a longer timeout": {StatementTimeout: time.Minute}} {
		err := txn.Run(t.Context(), b, cancelled, o)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "57014" || errors.Is(err, smrt.ErrStatementTimeout) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// TestLocalTimeoutInAnyLanguage proves it for timeouts that the closure sets
// itself, and that are undone before the server can be asked.
func TestLocalTimeoutInAnyLanguage(t *testing.T) {
	const text = "Anweisung wird abgebrochen"
	b := newBank(t, testdb.MaxConns(1))
	limited := func(set, statement string) txn.Func {
		return func(ctx context.Context, tx pgx.Tx) error {
			check.Value(tx.Exec(ctx, set))(t)
			_, err := tx.Exec(ctx, statement)
			return err
		}
	}
	const sleep, request = "SELECT pg_sleep(5)", "SELECT pg_cancel_backend(pg_backend_pid())"
	for what, c := range map[string]struct {
		set, statement string
		options        txn.Options
		timedOut       bool
	}{
		"SET LOCAL":               {"SET LOCAL statement_timeout = 20", sleep, txn.Options{}, true},
		"SET":                     {"SET statement_timeout = '20ms'", sleep, txn.Options{}, true},
		"set_config":              {"SELECT set_config('statement_timeout', '20', true)", sleep, txn.Options{}, true},
		"shorter than Run's":      {"SET LOCAL statement_timeout = 20", sleep, txn.Options{StatementTimeout: time.Minute}, true},
		"control: a request":      {"SET LOCAL statement_timeout = '1h'", request, txn.Options{}, false},
		"control: beside Run's":   {"SET LOCAL statement_timeout = '1h'", request, txn.Options{StatementTimeout: time.Minute}, false},
		"control: without limits": {"SELECT 1", request, txn.Options{}, false},
	} {
		err := txn.Run(t.Context(), translated{b, text}, limited(c.set, c.statement), c.options)
		check.Same(t, what, errors.Is(err, smrt.ErrStatementTimeout), c.timedOut)
		var pg *pgconn.PgError
		check.Same(t, what+": the server's error", errors.As(err, &pg) && pg.Code == "57014", true)
		free(t, b)
	}
	check.NoError(t, txn.Run(t.Context(), translated{b, text}, func(ctx context.Context, tx pgx.Tx) error {
		err := txn.Run(ctx, tx, limited("SET LOCAL statement_timeout = 20", sleep), txn.Options{Nested: txn.Savepoint})
		check.Error(t, "savepoint", err, smrt.ErrStatementTimeout)
		err = txn.Run(ctx, tx, limited("SELECT 1", request), txn.Options{Nested: txn.Savepoint})
		check.Same(t, "savepoint, control", errors.Is(err, smrt.ErrStatementTimeout), false)
		check.Same(t, "limit afterwards", one[string](t, tx, "SHOW statement_timeout"), "0")
		return add(1, 1)(ctx, tx)
	}))
	check.Same(t, "balance", b.balance(t, 1), 1001)
	check.Same(t, "connections opened", b.Stat().NewConnsCount(), 1)
}

// TestSessionTimeoutInAnyLanguage proves it for timeouts that Run did not set:
// the session is asked.
func TestSessionTimeoutInAnyLanguage(t *testing.T) {
	const text = "Anweisung wird abgebrochen"
	sleep := func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SELECT pg_sleep(5)")
		return err
	}
	asked := func(what string, b *bank, fn txn.Func) {
		t.Helper()
		check.Error(t, what, txn.Run(t.Context(), translated{b, text}, fn), smrt.ErrStatementTimeout)
		free(t, b)
		check.Same(t, what+": connections opened", b.Stat().NewConnsCount(), 1)
	}

	b := newBank(t, testdb.MaxConns(1))
	check.Value(b.Exec(t.Context(), "ALTER DATABASE "+b.Config().ConnConfig.Database+" SET statement_timeout = 50"))(t)
	b.Reset()
	check.Error(t, "ALTER DATABASE", txn.Run(t.Context(), translated{b, text}, sleep), smrt.ErrStatementTimeout)

	b = newBank(t, testdb.MaxConns(1))
	check.Value(b.Exec(t.Context(), "SET statement_timeout = 50"))(t)
	asked("SET in the session", b, sleep)
	asked("swallowed", b, func(ctx context.Context, tx pgx.Tx) error {
		_ = sleep(ctx, tx)
		return nil
	})
	other := check.Value(pgx.ConnectConfig(t.Context(), b.Config().ConnConfig))(t)
	defer other.Close(t.Context())
	holder := check.Value(other.Begin(t.Context()))(t)
	check.Value(holder.Exec(t.Context(), "INSERT INTO smrt_txn_markers VALUES ('held', 'x')"))(t)
	check.Error(t, "waiting for a marker", txn.Run(t.Context(), b, sleep, txn.Options{Key: "held"}), smrt.ErrStatementTimeout)
	check.NoError(t, holder.Rollback(t.Context()))
	check.NoError(t, txn.Run(t.Context(), translated{b, text}, func(ctx context.Context, tx pgx.Tx) error {
		check.Value(tx.Exec(ctx, "SET LOCAL statement_timeout = 20"))(t)
		check.Error(t, "savepoint", txn.Run(ctx, tx, sleep, txn.Options{Nested: txn.Savepoint}), smrt.ErrStatementTimeout)
		return add(1, 1)(ctx, tx)
	}))

	// The control: a request to cancel before the session's timeout has passed.
	b = newBank(t, testdb.MaxConns(1))
	check.Value(b.Exec(t.Context(), "SET statement_timeout = '1h'"))(t)
	err := txn.Run(t.Context(), translated{b, "canceling statement due to statement timeout"}, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SELECT pg_cancel_backend(pg_backend_pid())")
		return err
	})
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "57014" || errors.Is(err, smrt.ErrStatementTimeout) {
		t.Errorf("control: got %v", err)
	}
}
