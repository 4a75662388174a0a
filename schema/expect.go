package schema

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// Mode says what follows if a database does not meet a contract.
type Mode uint8

// The modes.
const (
	Fail Mode = iota // Check returns an error
	Warn             // Check logs it
	Off              // Check does nothing
)

// Options are those of an [Expectation].
type Options struct {
	Mode   Mode          // Default: Fail
	MaxAge time.Duration // How long a database is relied upon that met the contract. Default: 5 minutes. At least 1 second.
	Logger *slog.Logger  // Of Warn. Default: slog.Default()
}

// Expectation is a contract that databases are to meet, and remembers which do. It is
// safe for concurrent use.
type Expectation struct {
	contract Contract
	options  Options
	mu       sync.RWMutex
	met      map[string]time.Time // by database: when it did
}

// maxMet bounds the databases that are remembered. The next one drops all.
const maxMet = 256

// Expect returns an expectation of a contract. The error is a *smrt.OptionsError.
//
// A service calls Check when it starts; or lets each new connection do so, which
// costs nothing as long as the last answer is not too old:
//
//	config.AfterConnect = expectation.AfterConnect // of a *pgxpool.Config
func Expect(c Contract, o Options) (*Expectation, error) {
	if o.MaxAge == 0 {
		o.MaxAge = 5 * time.Minute
	}
	switch {
	case o.MaxAge < time.Second:
		return nil, &smrt.OptionsError{Option: "MaxAge", Reason: fmt.Sprintf("is %s, must be at least 1s", o.MaxAge)}
	case o.Mode > Off:
		return nil, &smrt.OptionsError{Option: "Mode", Reason: fmt.Sprintf("is %d, must be Fail, Warn or Off", o.Mode)}
	}
	return &Expectation{contract: c, options: o}, nil
}

// Check returns a [MismatchError] if the database of db does not meet the contract, and
// with Warn logs it. That the database cannot be asked is an error in both modes.
// It is one statement and what queries need, see [Contract.Check], and none while the answer of the last MaxAge is that it does.
// It takes a connection of db, so it must not be called with a transaction that is in use.
func (e *Expectation) Check(ctx context.Context, db smrt.DB) error {
	if e.options.Mode == Off {
		return nil
	}
	database := handle.Database(db)
	if e.isMet(database) {
		return nil
	}
	found, err := e.contract.Check(ctx, db)
	if err == nil {
		err = found.Err()
	}
	switch {
	case err == nil:
		e.remember(database)
	case e.options.Mode == Warn && errors.Is(err, ErrMismatch):
		logger := e.options.Logger
		if logger == nil {
			logger = slog.Default()
		}
		logger.WarnContext(ctx, "the database is not as the program needs it", "error", err)
		e.remember(database) // it was said
		return nil
	}
	return err
}

// AfterConnect is Check for a connection that was just made, as the hook of this name
// of pgxpool.Config.
func (e *Expectation) AfterConnect(ctx context.Context, conn *pgx.Conn) error {
	return e.Check(ctx, conn)
}

func (e *Expectation) isMet(database string) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	at, ok := e.met[database]
	return ok && time.Since(at) < e.options.MaxAge
}

// remember keeps the answer, unless the handle does not say what it is a handle of.
func (e *Expectation) remember(database string) {
	if database == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.met) >= maxMet {
		clear(e.met)
	}
	if e.met == nil {
		e.met = map[string]time.Time{}
	}
	e.met[database] = time.Now()
}
