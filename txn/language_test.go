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
	for _, setting := range []string{"20", "20ms"} {
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
