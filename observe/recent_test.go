package observe_test

import (
	"fmt"
	"runtime"
	"strings"
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
	copied := make(chan observe.Snapshot, 1)
	go snapshotOfHeld(o, copied)
	for end := time.Now().Add(testdb.Patience(10 * time.Second)); !isWaiting("snapshotOfHeld"); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("the snapshot does not wait for the shape that cannot be read")
		}
	}
	went := make(chan bool)
	go func() {
		for i := range 2000 {
			observe.Record(o, fmt.Sprint("SELECT other", i%100), time.Millisecond)
		}
		close(went)
	}()
	select {
	case <-went:
	case <-time.After(testdb.Patience(2 * time.Second)):
		t.Error("statements wait for a snapshot")
	}
	check.Same(t, "snapshots that were ready before the last statement", len(copied), 0)
	release()
	if n := (<-copied).Total().Calls; n == 0 {
		t.Error("the snapshot has no calls")
	}
	<-went
}

// snapshotOfHeld has a name by which its goroutine is found.
func snapshotOfHeld(o *observe.Observer, to chan<- observe.Snapshot) { to <- o.Snapshot() }

// isWaiting reports whether a goroutine that was begun with a function waits for a lock.
func isWaiting(function string) bool {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	for text := range strings.SplitSeq(string(all), "\n\n") {
		state, _, _ := strings.Cut(text, "\n")
		if strings.Contains(state, "[sync.Mutex.Lock") && strings.Contains(text, function+"(") {
			return true
		}
	}
	return false
}
