package cache

import (
	"context"
	"errors"

	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/handle"
)

// Reads that miss the same row at the same time are one statement. A read that began
// after a write does not join one that began before: their tokens differ.

type flightKey struct {
	entryKey
	token cached.Token
}

// flight is a statement that others wait for.
type flight struct {
	done chan struct{}
	row  *cached.Row
	at   handle.Moment
	err  error
}

// errEarlier is for nobody to see: a handle that routes reads again then.
var errEarlier = errors.New("the read that others waited for began before what this one has to see")

var errLeft = errors.New("the read that others waited for was left")

// Load implements cached.Table.
func (t *tableAt) Load(ctx context.Context, k cached.Key, token cached.Token, read func(context.Context) (*cached.Row, error)) (*cached.Row, error) {
	c, key := t.place.cache, flightKey{t.keyOf(k), token}
	for {
		c.mu.Lock()
		f, under := c.flights[key]
		if !under {
			f = &flight{done: make(chan struct{}), err: errLeft}
			c.flights[key] = f
		}
		c.mu.Unlock()
		if !under {
			return t.lead(ctx, f, key, read)
		}
		t.kind.counts.joined.Add(1)
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case f.err == nil && !t.place.serves(ctx, &f.at):
			return nil, errEarlier
		case f.err == nil:
			return f.row, nil
		}
		if !ofOneCall(f.err) {
			return nil, f.err
		}
	}
}

// ofOneCall reports whether an error may be due to the caller whose statement it was,
// so that another tries for himself.
func ofOneCall(err error) bool {
	return err == errLeft || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) //nolint:errorlint // this very value is the sign
}

// lead reads for all. It ends the flight also if the read panics. Who waited looks at the
// moment of the read, which is set before the flight ends; the leader need not, because
// its own read began after its call.
func (t *tableAt) lead(ctx context.Context, f *flight, key flightKey, read func(context.Context) (*cached.Row, error)) (*cached.Row, error) {
	c := t.place.cache
	defer func() {
		c.mu.Lock()
		delete(c.flights, key)
		c.mu.Unlock()
		close(f.done)
	}()
	began := t.Began()
	row, err := read(ctx)
	f.at = t.ended(began)
	if err == nil {
		t.keep(key.key, key.token, row, f.at)
	}
	f.row, f.err = row, err
	return row, err
}
