package pgerr

import (
	"errors"

	"github.com/smrt-go/smrt"
)

// Canceled returns err as that of a statement which the server gave up because
// its context has ended, with the error of the context, if that is what it is. pgx returns the server's error
// where it asks the server to cancel, and that of the context where it closes the
// connection.
func Canceled(ended, err error) error {
	if ended == nil || err == nil || !IsCanceled(err) || errors.Is(err, smrt.ErrQueryCanceled) {
		return err
	}
	return &canceled{ended, err}
}

type canceled struct{ ctx, err error }

func (c *canceled) Error() string   { return smrt.ErrQueryCanceled.Error() + ": " + c.ctx.Error() }
func (c *canceled) Unwrap() []error { return []error{smrt.ErrQueryCanceled, c.ctx, c.err} }
