package readreplica_test

import (
	"errors"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/readreplica"
)

// TestGivenPositions says what becomes of a read that must see a position which
// somebody has sent along. All servers are at 1000 of timeline 1, or so it seems:
// the primary may be asked once.
func TestGivenPositions(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		what      string
		position  smrt.Position
		mute      bool   // the primary does not tell its position
		reason    string // of the *smrt.TokenError
		primary   bool   // serves the read
		questions uint64
	}{
		{"none", smrt.Position{}, false, "", false, 0},
		{"what every server has", smrt.Position{System: 42, Timeline: 1, LSN: 1000}, false, "", false, 0},
		{"what the primary may have by now", smrt.Position{System: 42, Timeline: 1, LSN: 1001}, false, "", true, 1},
		{"nobody has it", smrt.Position{System: 42, Timeline: 1, LSN: 1 << 40}, false, "future", false, 1},
		{"nobody knows", smrt.Position{System: 42, Timeline: 1, LSN: 1 << 40}, true, "", true, 1},
		{"a promotion that has not been seen", smrt.Position{System: 42, Timeline: 2, LSN: 5}, false, "timeline", false, 1},
		{"another cluster", smrt.Position{System: 43, Timeline: 1, LSN: 5}, false, "foreign", false, 0},
	} {
		c, r := openFake(t, func(cfg *readreplica.Config) { cfg.Wait = time.Millisecond })
		c.mute.Store(x.mute)
		before, asked := reads(r)["primary"], r.Stats().Positions
		_, err := r.Reader().Exec(readreplica.WithPosition(t.Context(), x.position), "SELECT 1")
		var refused *smrt.TokenError
		if errors.As(err, &refused) != (x.reason != "") || refused != nil && refused.Reason != x.reason || refused == nil && err != nil {
			t.Errorf("%s: got %v, want %q", x.what, err, x.reason)
		}
		check.Same(t, x.what+": served by the primary", reads(r)["primary"] != before, x.primary)
		check.Same(t, x.what+": questions", r.Stats().Positions-asked, x.questions)
		r.Close()
	}
}

// TestAStandbyDoesNotTell proves that a session which has read from two standbys
// is content with the primary's position where one of them does not tell its
// own: no standby is ahead of the primary.
func TestAStandbyDoesNotTell(t *testing.T) {
	t.Parallel()
	next := 0
	c, r := openFake(t, func(cfg *readreplica.Config) {
		cfg.Picker = func(nodes []*readreplica.Node) *readreplica.Node {
			next++
			return nodes[next%len(nodes)]
		}
	})
	ctx := readreplica.WithSession(t.Context())
	first := check.Value(r.Reader().Query(ctx, "SELECT 1"))(t)
	second := check.Value(r.Reader().Query(ctx, "SELECT 1"))(t) // at the same time, so that it may go elsewhere
	first.Close()
	second.Close()
	for _, n := range r.Stats().Nodes[1:] {
		check.Same(t, "reads of "+n.Name, n.Reads, 1)
	}
	c.lost[1].Store(true)
	questions := c.primary.sentContaining("pg_current_wal_insert_lsn")
	p, err := r.Position(ctx)
	check.NoError(t, err)
	check.Same(t, "position", p, smrt.Position{System: 42, Timeline: 1, LSN: 1000})
	check.Same(t, "questions to the primary", c.primary.sentContaining("pg_current_wal_insert_lsn")-questions, 1)

	c.mute.Store(true) // and if the primary does not tell either, that is an error
	third := check.Value(r.Reader().Query(ctx, "SELECT 1"))(t)
	fourth := check.Value(r.Reader().Query(ctx, "SELECT 1"))(t)
	third.Close()
	fourth.Close()
	if _, err = r.Position(ctx); err == nil {
		t.Error("a position that nobody told")
	}
}

// TestPositionOfASession proves what it covers, and when it is refused.
func TestPositionOfASession(t *testing.T) {
	t.Parallel()
	_, r := openFake(t)
	_, err := r.Position(t.Context())
	check.Error(t, "no session", err, smrt.ErrBadOptions)
	ctx := readreplica.WithSession(t.Context())
	check.Same(t, "nothing was done", check.Value(r.Position(ctx))(t), smrt.Position{})
	readreplica.MarkWritten(ctx)
	check.Same(t, "something was written", check.Value(r.Position(ctx))(t), smrt.Position{System: 42, Timeline: 1, LSN: 1000})
	asked := r.Stats().Positions
	check.Value(r.Position(ctx))(t)
	check.Same(t, "questions once it is known", r.Stats().Positions-asked, 0)
	readreplica.MarkWritten(t.Context()) // does nothing
}
