package observe_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/internal/traced"
	"github.com/smrt-go/smrt/observe"
)

// TestRecentIsBounded: the last slow calls are kept, whatever their number, and Reset
// forgets them.
func TestRecentIsBounded(t *testing.T) {
	t.Parallel()
	o := newObserver(t, observe.Config{})
	for i := range 1000 {
		observe.RecordSlow(o, fmt.Sprintf("SELECT %d FROM t%d", i, i))
	}
	slow := observe.Slow(o)
	check.Same(t, "slow calls", len(slow), 50)
	check.Same(t, "the newest", slow[0], "SELECT ? FROM t999")
	check.Same(t, "the oldest", slow[49], "SELECT ? FROM t950")
	o.Reset()
	check.Same(t, "what is left", len(observe.Slow(o)), 0)
}

// TestSharedFindingsAreKept, though those who share a statement send none.
func TestSharedFindingsAreKept(t *testing.T) {
	t.Parallel()
	o := newObserver(t, observe.Config{})
	s := newStore(t, 10, testdb.Configure(o.Configure))
	for range 3 {
		ctx := observe.WithScope(t.Context(), observe.Options{Policy: observe.Ignore})
		s.get(ctx, 0) // sends itself, so that an Observer sees the scope
		for range 8 {
			traced.Shared(ctx, selectCategory)
		}
	}
	found := o.Snapshot().Findings
	if len(found) != 1 || found[0].Times != 3 {
		t.Errorf("one loop in three requests is %v", found)
	}
}

// TestSnapshotKeepsNobodyWaiting: while what is known of one shape cannot be read,
// statements with other texts go on.
func TestSnapshotKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	o := newObserver(t, observe.Config{})
	for range 2 { // so that it is no candidate, which others take the place of
		observe.Record(o, "SELECT 1", time.Millisecond)
	}
	release := observe.Hold(o, "SELECT 1")
	copied := make(chan observe.Snapshot)
	go func() { copied <- o.Snapshot() }()
	went := make(chan bool)
	go func() {
		for i := range 2000 {
			observe.Record(o, fmt.Sprint("SELECT other", i%100), time.Millisecond)
			if i%100 == 0 {
				time.Sleep(time.Millisecond) // until the copy has begun, on most machines
			}
		}
		close(went)
	}()
	select {
	case <-went:
	case <-time.After(testdb.Patience(2 * time.Second)):
		t.Error("statements wait for a snapshot")
	}
	release()
	if n := (<-copied).Total().Calls; n == 0 {
		t.Error("the snapshot has no calls")
	}
	<-went
}
