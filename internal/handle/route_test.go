package handle_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/handle"
)

// router leads to handles that are never used, and writes down what it is asked.
type router struct {
	*pgx.Conn // a handle like any other
	tries     int
	log       []string
	done      error // of Done
}

var (
	errFull   = errors.New("nowhere to go")
	errFailed = errors.New("failed")
)

func (r *router) Next(_ context.Context, last handle.Try) (handle.Try, error) {
	r.log = append(r.log, "next")
	if last.Count > 0 && last.Err == nil {
		return last, errors.New("the error of the last try is missing")
	}
	if last.Count == r.tries {
		return last, errFull
	}
	return handle.Try{On: &pgx.Conn{}, Node: last.Count, Count: last.Count + 1, Slot: true}, nil
}

func (r *router) Done(_ context.Context, last handle.Try) error {
	r.log = append(r.log, "done")
	if !last.Slot || last.Count == 0 {
		return errors.New("the last try is missing")
	}
	return errors.Join(r.done, last.Err)
}

func (r *router) Nodes() int { return r.tries }

// TestRead plays what may become of a read.
func TestRead(t *testing.T) {
	for what, c := range map[string]struct {
		tries   int
		answers []error // of each try
		final   bool
		done    error
		log     []string
		want    error
	}{
		"at once":          {tries: 2, answers: []error{nil}, log: []string{"next", "done"}},
		"elsewhere":        {tries: 2, answers: []error{errFailed, nil}, log: []string{"next", "next", "done"}},
		"nowhere":          {tries: 2, answers: []error{errFailed, errFailed}, log: []string{"next", "next", "next"}, want: errFull},
		"no place":         {tries: 0, log: []string{"next"}, want: errFull},
		"final":            {tries: 2, answers: []error{errFailed}, final: true, log: []string{"next", "done"}, want: errFailed},
		"an error of Done": {tries: 1, answers: []error{nil}, done: errFull, log: []string{"next", "done"}, want: errFull},
	} {
		t.Run(what, func(t *testing.T) {
			r := &router{tries: c.tries, done: c.done}
			var places []int
			err := handle.Read(t.Context(), r, func(on smrt.DB, place int) (bool, error) {
				if on == nil || on == smrt.DB(r) {
					t.Error("the read is on the router itself")
				}
				places = append(places, place)
				return c.final, c.answers[place]
			})
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("got error %v, want %v", err, c.want)
			}
			check.Equal(t, "asked", r.log, c.log)
			check.Same(t, "places", len(places), len(c.answers))
			check.Same(t, "in order", slices.IsSorted(places), true)
		})
	}
}

// TestReadEndsHoweverItIsLeft: a router that is not told would keep what the try
// holds for ever.
func TestReadEndsHoweverItIsLeft(t *testing.T) {
	t.Run("panic", func(t *testing.T) {
		r := &router{tries: 1}
		func() {
			defer func() { check.Equal(t, "panic", recover(), any("oops")) }()
			_ = handle.Read(t.Context(), r, func(smrt.DB, int) (bool, error) { panic("oops") })
		}()
		check.Equal(t, "asked", r.log, []string{"next", "done"})
	})
	t.Run("end of the goroutine", func(t *testing.T) {
		r := &router{tries: 1}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = handle.Read(context.Background(), r, func(smrt.DB, int) (bool, error) { runtime.Goexit(); return false, nil })
		}()
		<-ended
		check.Equal(t, "asked", r.log, []string{"next", "done"})
	})
}

// TestReadOnOtherHandles: they are used as they are, and once.
func TestReadOnOtherHandles(t *testing.T) {
	conn := &pgx.Conn{}
	calls := 0
	err := handle.Read(t.Context(), conn, func(on smrt.DB, place int) (bool, error) {
		calls++
		check.Same(t, "handle", on, smrt.DB(conn))
		check.Same(t, "place", place, handle.NoNode)
		return false, errFailed
	})
	check.Error(t, "read", err, errFailed)
	check.Same(t, "calls", calls, 1)
}

// TestReadBesideATransaction is refused before the router is asked; beside one
// of another handle it is not.
func TestReadBesideATransaction(t *testing.T) {
	r := &router{tries: 1}
	never := func(smrt.DB, int) (bool, error) { t.Error("called"); return false, nil }
	inside := handle.WithScope(t.Context(), &handle.Scope{Root: r})
	check.Error(t, "inside", handle.Read(inside, r, never), smrt.ErrTxBypass)
	check.Error(t, "no context", handle.Read(nil, r, never), smrt.ErrNilContext) //nolint:staticcheck // which is the point
	check.Equal(t, "asked", r.log, nil)
	other := handle.WithScope(t.Context(), &handle.Scope{Root: &pgx.Conn{}})
	check.NoError(t, handle.Read(other, r, func(smrt.DB, int) (bool, error) { return false, nil }))
	check.Equal(t, "asked", r.log, []string{"next", "done"})
}

type reader struct{ *pgx.Conn }

func (reader) RefuseWrites() error { return smrt.ErrWriteOnReplica }

// TestRefuse asks handles of both sorts.
func TestRefuse(t *testing.T) {
	check.NoError(t, handle.RefuseWrite(&pgx.Conn{}))
	check.NoError(t, handle.RefuseWrite(nil))
	check.Error(t, "write", handle.RefuseWrite(reader{}), smrt.ErrWriteOnReplica)
}

// fixed always chooses the same place, for what routing itself costs.
type fixed struct {
	*pgx.Conn
	on smrt.DB
}

func (f *fixed) Next(_ context.Context, last handle.Try) (handle.Try, error) {
	return handle.Try{On: f.on, Count: last.Count + 1}, nil
}
func (f *fixed) Done(_ context.Context, last handle.Try) error { return last.Err }
func (f *fixed) Nodes() int                                    { return 1 }

// TestReadAllocatesNothing holds for a closure that uses what is around it.
func TestReadAllocatesNothing(t *testing.T) {
	var db smrt.DB = &fixed{on: &pgx.Conn{}}
	ctx := t.Context()
	n := testing.AllocsPerRun(1000, func() {
		calls := 0
		if err := handle.Read(ctx, db, func(smrt.DB, int) (bool, error) { calls++; return false, nil }); err != nil || calls != 1 {
			t.Error(err, calls)
		}
	})
	check.Same(t, "allocations", n, 0)
}

// BenchmarkRead is what Read costs around a router that costs next to nothing.
func BenchmarkRead(b *testing.B) {
	ctx := context.Background()
	for _, c := range []struct {
		name string
		db   smrt.DB
	}{{"router", &fixed{on: &pgx.Conn{}}}, {"handle", &pgx.Conn{}}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := handle.Read(ctx, c.db, func(smrt.DB, int) (bool, error) { return false, nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
