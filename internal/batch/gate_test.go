package batch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smrt-go/smrt/internal/batch"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/testdb"
)

// The tests run in bubbles: synctest.Wait returns when every goroutine waits
// for another one, so "nothing has happened" is certain and nothing sleeps.

// line is a gate whose calls, alone or together, return when told to.
type line struct {
	*batch.Gate
	mu       sync.Mutex
	sent     [][]int // what each call consisted of, in the order of sending
	contexts []context.Context
	release  chan struct{}
	inFlight atomic.Int32
	most     atomic.Int32
	fail     func(sent []int) // called before a call returns
}

func newLine(c batch.Config) *line {
	l := &line{release: make(chan struct{})}
	c.Run = func(ctx context.Context, calls []*batch.Call) {
		numbers := make([]int, len(calls))
		for i, c := range calls {
			numbers[i] = c.Payload.(int)
		}
		l.call(ctx, numbers)
	}
	l.Gate = batch.New(c)
	return l
}

// call is what both ways lead to.
func (l *line) call(ctx context.Context, numbers []int) {
	n := l.inFlight.Add(1)
	defer l.inFlight.Add(-1)
	for m := l.most.Load(); n > m && !l.most.CompareAndSwap(m, n); m = l.most.Load() {
	}
	l.mu.Lock()
	l.sent = append(l.sent, numbers)
	l.contexts = append(l.contexts, ctx)
	l.mu.Unlock()
	select {
	case <-l.release:
	case <-ctx.Done():
	}
	if l.fail != nil {
		l.fail(numbers)
	}
}

// do is one caller.
func (l *line) do(ctx context.Context, number int) error { return l.doSized(ctx, number, 1) }

func (l *line) doSized(ctx context.Context, number, size int) error {
	if !l.Enter() {
		turn, err := l.Join(ctx, &batch.Call{Size: size, Payload: number})
		if err != nil || !turn {
			return err
		}
	}
	defer l.Leave()
	l.call(ctx, []int{number})
	return ctx.Err()
}

// start starts a caller and waits until it waits.
func (l *line) start(ctx context.Context, number int) <-chan error {
	result := make(chan error, 1)
	go func() { result <- l.do(ctx, number) }()
	synctest.Wait()
	return result
}

func (l *line) wantSent(t *testing.T, want ...[]int) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	got := make([][]int, len(l.sent))
	for i := range l.sent {
		got[i] = slices.Sorted(slices.Values(l.sent[i]))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("sent %v, want %v", got, want)
	}
}

// end lets everything return and makes sure that nothing is left.
func (l *line) end(t *testing.T) {
	t.Helper()
	close(l.release)
	synctest.Wait()
	if !l.Idle() {
		t.Error("the gate is not idle after everything has returned")
	}
}

func wantResult(t *testing.T, what string, result <-chan error, want error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-result:
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
	default:
		t.Errorf("%s is still waiting", what)
	}
}

func wantWaiting(t *testing.T, what string, result <-chan error) {
	t.Helper()
	synctest.Wait()
	if len(result) > 0 {
		t.Errorf("%s has returned: %v", what, <-result)
	}
}

func TestOpenGateSendsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 2, MaxSize: 10})
		l.start(t.Context(), 1)
		l.start(t.Context(), 2)
		l.wantSent(t, []int{1}, []int{2})
		l.end(t)
	})
}

func TestFullGateCollectsAndSendsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 2, MaxSize: 100})
		for i := range 8 {
			l.start(t.Context(), i)
		}
		l.wantSent(t, []int{0}, []int{1})
		l.release <- struct{}{}
		l.wantSent(t, []int{0}, []int{1}, []int{2, 3, 4, 5, 6, 7})
		if l.most.Load() != 2 {
			t.Errorf("%d in flight, want 2", l.most.Load())
		}
		l.end(t)
	})
}

// What comes while a batch is under way waits for the next one.
func TestNobodyJoinsABatchThatHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 100})
		for i := range 3 {
			l.start(t.Context(), i)
		}
		l.release <- struct{}{}
		l.wantSent(t, []int{0}, []int{1, 2})
		late, later := l.start(t.Context(), 3), l.start(t.Context(), 4)
		l.release <- struct{}{}
		l.wantSent(t, []int{0}, []int{1, 2}, []int{3, 4})
		wantWaiting(t, "the late one", late)
		l.release <- struct{}{}
		wantResult(t, "the late one", late, nil)
		wantResult(t, "the later one", later, nil)
		l.end(t)
	})
}

// A caller who waits alone gets the slot, and keeps its own context.
func TestOneWhoWaitsAloneGoesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 100})
		l.start(t.Context(), 0)
		l.start(context.WithValue(t.Context(), key{}, "mine"), 1)
		l.release <- struct{}{}
		l.wantSent(t, []int{0}, []int{1})
		if l.contexts[1].Value(key{}) != "mine" {
			t.Error("the context is not the caller's own")
		}
		l.end(t)
	})
}

func TestBatchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 3})
		for i := range 8 {
			l.start(t.Context(), i)
		}
		for range 3 {
			l.release <- struct{}{}
			synctest.Wait()
		}
		l.wantSent(t, []int{0}, []int{1, 2, 3}, []int{4, 5, 6}, []int{7})
		l.end(t)
	})
}

func TestSizesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 10})
		l.start(t.Context(), 0)
		for i, size := range []int{4, 5, 2, 99, 1, 1} {
			go l.doSized(t.Context(), i+1, size)
			synctest.Wait()
		}
		for range 4 {
			l.release <- struct{}{}
			synctest.Wait()
		}
		l.wantSent(t, []int{0}, []int{1, 2}, []int{3}, []int{4}, []int{5, 6})
		l.end(t)
	})
}

// The batches leave in the order in which they were begun, and nobody who comes
// later overtakes those who wait.
func TestCallsThatHangDoNotStopTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 100, Patience: time.Second})
		hung := l.start(t.Context(), 1)
		second, third := l.start(t.Context(), 2), l.start(t.Context(), 3)
		time.Sleep(999 * time.Millisecond)
		l.wantSent(t, []int{1})
		time.Sleep(time.Millisecond)
		l.wantSent(t, []int{1}, []int{2, 3})
		fourth := l.start(t.Context(), 4)
		time.Sleep(time.Second)
		l.wantSent(t, []int{1}, []int{2, 3}, []int{4})
		l.end(t)
		for i, result := range []<-chan error{hung, second, third, fourth} {
			wantResult(t, fmt.Sprint("call ", i+1), result, nil)
		}
	})
}

func TestPatienceEndsWithTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 100, Patience: time.Second})
		l.start(t.Context(), 1)
		ctx, cancel := context.WithCancel(t.Context())
		gone := l.start(ctx, 2)
		cancel()
		wantResult(t, "the one that left", gone, context.Canceled)
		second := l.start(t.Context(), 3)
		l.release <- struct{}{} // the first returns, and the one that waits goes
		l.wantSent(t, []int{1}, []int{3})
		time.Sleep(2 * time.Second)
		l.wantSent(t, []int{1}, []int{3})
		l.end(t)
		wantResult(t, "the one that waited", second, nil)
	})
}

func TestNobodyStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 2})
		for i := range 5 {
			l.start(t.Context(), i)
		}
		for i := 5; i < 20; i++ {
			l.start(t.Context(), i)
			l.release <- struct{}{}
			synctest.Wait()
		}
		var order []int
		for _, sent := range l.sent {
			order = append(order, slices.Sorted(slices.Values(sent))...)
		}
		if !slices.IsSorted(order) {
			t.Errorf("sent in the order %v", order)
		}
		l.end(t)
	})
}

func TestCancelledCallerReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 100})
		first := l.start(t.Context(), 0)
		ctx, cancel := context.WithCancel(t.Context())
		gone := l.start(ctx, 1)
		stays, alsoStays := l.start(t.Context(), 2), l.start(t.Context(), 3)
		cancel()
		wantResult(t, "the cancelled one", gone, context.Canceled)
		wantWaiting(t, "another one", stays)
		l.release <- struct{}{}
		wantResult(t, "the first one", first, nil)
		l.wantSent(t, []int{0}, []int{2, 3}) // it is not asked for any more
		l.release <- struct{}{}
		wantResult(t, "another one", stays, nil)
		wantResult(t, "another one", alsoStays, nil)
		l.end(t)
	})
}

func TestCallerCancelledWhileItsBatchIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 100})
		l.start(t.Context(), 0)
		ctx, cancel := context.WithCancel(t.Context())
		gone, stays := l.start(ctx, 1), l.start(t.Context(), 2) // gone has begun the batch
		l.release <- struct{}{}
		l.wantSent(t, []int{0}, []int{1, 2})
		cancel()
		wantResult(t, "the cancelled one", gone, context.Canceled)
		wantWaiting(t, "the other one", stays)
		if err := l.contexts[1].Err(); err != nil {
			t.Errorf("the batch was cancelled with one of two callers: %v", err)
		}
		l.release <- struct{}{}
		wantResult(t, "the other one", stays, nil)
		l.end(t)
	})
}

func TestBatchIsCancelledWithItsLastCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 100})
		l.start(t.Context(), 0)
		ctx, cancel := context.WithCancel(t.Context())
		other, cancelOther := context.WithCancel(t.Context())
		l.start(ctx, 1)
		l.start(other, 2)
		l.release <- struct{}{}
		l.wantSent(t, []int{0}, []int{1, 2})
		cancel()
		synctest.Wait()
		if l.contexts[1].Err() != nil {
			t.Error("cancelled too early")
		}
		cancelOther()
		synctest.Wait()
		if !errors.Is(l.contexts[1].Err(), context.Canceled) {
			t.Error("nobody waits for the batch, and it is not cancelled")
		}
		after := l.start(t.Context(), 3) // the slot is free again
		l.release <- struct{}{}
		wantResult(t, "a later one", after, nil)
		l.end(t)
	})
}

// All who wait may go before their batch leaves; it then does not leave at all.
func TestAbandonedBatchIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 2})
		l.start(t.Context(), 0)
		ctx, cancel := context.WithCancel(t.Context())
		for i := 1; i < 5; i++ {
			l.start(ctx, i)
		}
		last := l.start(t.Context(), 5)
		cancel()
		synctest.Wait()
		l.release <- struct{}{}
		l.wantSent(t, []int{0}, []int{5})
		l.release <- struct{}{}
		wantResult(t, "the one who stays", last, nil)
		l.end(t)
		if again := l.start(t.Context(), 6); true {
			wantResult(t, "one after all that", again, nil)
		}
	})
}

func TestCancelledBeforeItJoins(t *testing.T) {
	l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 2})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Join(ctx, &batch.Call{Size: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if !l.Idle() {
		t.Error("the gate is not idle")
	}
}

// A slot may have become free between Enter and Join.
func TestJoinOfAnOpenGateIsATurn(t *testing.T) {
	l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 2})
	turn, err := l.Join(t.Context(), &batch.Call{Size: 1})
	if !turn || err != nil {
		t.Errorf("got %v, %v", turn, err)
	}
	if l.Enter() {
		t.Error("the slot is taken, and yet free")
	}
	l.Leave()
	if !l.Idle() {
		t.Error("the gate is not idle")
	}
}

// Each caller is what it would wait for: a time, for ever, or until it is
// cancelled.
func TestContextOfABatch(t *testing.T) {
	const forEver, untilCancelled = 0, -1
	for name, test := range map[string]struct {
		callers  []time.Duration
		deadline time.Duration // 0: none
		endless  bool
	}{
		"the latest deadline":    {callers: []time.Duration{time.Minute, time.Hour}, deadline: time.Hour},
		"one without deadline":   {callers: []time.Duration{time.Minute, untilCancelled}},
		"one who waits for ever": {callers: []time.Duration{time.Minute, forEver, untilCancelled}, endless: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				type key struct{}
				values := context.WithValue(context.Background(), key{}, "the gate's")
				l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 100, Values: values})
				l.start(context.Background(), 0)
				begin := time.Now()
				for i, wait := range test.callers {
					ctx, cancel := context.WithValue(context.Background(), key{}, "a caller's"), context.CancelFunc(func() {})
					switch {
					case wait > 0:
						ctx, cancel = context.WithTimeout(ctx, wait)
					case wait == untilCancelled:
						ctx, cancel = context.WithCancel(ctx)
					}
					defer cancel()
					l.start(ctx, i+1)
				}
				l.release <- struct{}{}
				synctest.Wait()
				ctx := l.contexts[1]
				if !handle.IsUncounted(ctx) {
					t.Error("the batch could be taken for one call of many")
				}
				if ctx.Value(key{}) != "the gate's" {
					t.Errorf("the batch sees the value %v", ctx.Value(key{}))
				}
				deadline, has := ctx.Deadline()
				if has != (test.deadline > 0) || has && deadline.Sub(begin) != test.deadline {
					t.Errorf("has a deadline: %v, %v", has, deadline.Sub(begin))
				}
				if (ctx.Done() == nil) != test.endless {
					t.Errorf("can it end? %v", ctx.Done() != nil)
				}
				l.end(t)
			})
		})
	}
}

func TestPanicReachesEveryCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 100})
		cause := errors.New("broken")
		l.fail = func(sent []int) {
			if len(sent) > 1 {
				panicHere(cause)
			}
		}
		l.start(t.Context(), 0)
		panics := make(chan any, 3)
		for i := range 3 {
			go func() {
				defer func() { panics <- recover() }()
				l.do(t.Context(), i+1)
			}()
		}
		synctest.Wait()
		l.release <- struct{}{}
		synctest.Wait()
		l.release <- struct{}{}
		for range 3 {
			p, ok := (<-panics).(*batch.PanicError)
			if !ok || !errors.Is(p, cause) || !strings.Contains(p.Error(), "panicHere") {
				t.Errorf("got panic %v, want the cause with its stack", p)
			}
		}
		l.end(t)
	})
}

func panicHere(err error) { panic(err) }

func TestGoexitReachesEveryCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 2})
		l.fail = func(sent []int) {
			if len(sent) > 1 {
				runtime.Goexit()
			}
		}
		l.start(t.Context(), 0)
		panics := make(chan any, 2)
		for i := range 2 {
			go func() {
				defer func() { panics <- recover() }()
				l.do(t.Context(), i+1)
			}()
		}
		synctest.Wait()
		after := l.start(t.Context(), 3) // in a batch of its own
		l.release <- struct{}{}
		synctest.Wait()
		l.release <- struct{}{}
		for range 2 {
			if p, ok := (<-panics).(*batch.PanicError); !ok || !strings.Contains(p.Error(), "Goexit") {
				t.Errorf("got panic %v", p)
			}
		}
		l.release <- struct{}{}
		wantResult(t, "the next one", after, nil)
		l.end(t)
	})
}

// A panic on a caller's own goroutine gives the slot back.
func TestPanicOfOneCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 2})
		l.fail = func([]int) { panic("alone") }
		close(l.release)
		func() {
			defer func() {
				if p := recover(); p != "alone" {
					t.Errorf("got %v", p)
				}
			}()
			l.do(t.Context(), 0)
		}()
		if !l.Idle() {
			t.Error("the slot was not given back")
		}
	})
}

// Gathered calls wait until everybody who can run has joined.
func TestGather(t *testing.T) {
	var seen []int
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			l := newLine(batch.Config{MaxInFlight: 1, MaxSize: 1000, Gather: true})
			close(l.release)
			var all sync.WaitGroup
			for i := range 100 {
				all.Go(func() { l.do(context.Background(), i) })
			}
			all.Wait()
			synctest.Wait()
			seen = append(seen, len(l.sent))
			if !l.Idle() {
				t.Error("the gate is not idle")
			}
		})
	}
	t.Logf("100 goroutines started together: %v calls", seen)
	if slices.Sort(seen); seen[len(seen)/2] > 10 {
		t.Errorf("100 goroutines started together made %v calls", seen)
	}
}

func TestGatherRespectsTheLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(batch.Config{MaxInFlight: 2, MaxSize: 4, Gather: true})
		for i := range 20 {
			go l.do(t.Context(), i)
		}
		synctest.Wait()
		if len(l.sent) != 2 {
			t.Errorf("%d batches are under way, want 2", len(l.sent))
		}
		l.end(t)
		total := 0
		for _, sent := range l.sent {
			total += len(sent)
			if len(sent) > 4 {
				t.Errorf("a batch of %d", len(sent))
			}
		}
		if total != 20 || l.most.Load() > 2 {
			t.Errorf("%d answered, %d in flight", total, l.most.Load())
		}
	})
}

// TestManyCallersAtRandom looks at everything at once: nobody is left waiting,
// the limits hold, everybody is sent at most once, and everybody who was not
// cancelled exactly once.
func TestManyCallersAtRandom(t *testing.T) {
	for _, gather := range []bool{false, true} {
		t.Run(fmt.Sprint("gather ", gather), func(t *testing.T) {
			const callers, rounds, limit, size = 64, 200, 3, 7
			l := newLine(batch.Config{MaxInFlight: limit, MaxSize: size, Gather: gather})
			l.fail = func([]int) {
				for range 5 { // a call takes a while, in which others come
					runtime.Gosched()
				}
			}
			close(l.release)
			var all sync.WaitGroup
			var cancelled atomic.Int32
			seed := check.Seed(t)
			for i := range callers {
				all.Go(func() {
					random := rand.New(rand.NewPCG(seed, uint64(i)))
					for round := range rounds {
						ctx, cancel := context.WithCancel(context.Background())
						if random.IntN(4) == 0 {
							go cancel()
						}
						if err := l.do(ctx, i*rounds+round); err != nil {
							cancelled.Add(1)
						}
						cancel()
					}
				})
			}
			all.Wait()
			for deadline := time.Now().Add(testdb.Patience(5 * time.Second)); !l.Idle(); { // workers are on their way out
				if time.Now().After(deadline) {
					t.Fatal("the gate is not idle")
				}
				runtime.Gosched()
			}
			if l.most.Load() > limit {
				t.Errorf("%d in flight, at most %d allowed", l.most.Load(), limit)
			}
			times := map[int]int{}
			for _, sent := range l.sent {
				if len(sent) > size {
					t.Errorf("a batch of %d", len(sent))
				}
				for _, n := range sent {
					times[n]++
				}
			}
			twice := 0
			for _, n := range times {
				if n != 1 {
					twice++
				}
			}
			if least := callers*rounds - int(cancelled.Load()); len(times) < least || twice > 0 {
				t.Errorf("%d were sent, %d of them twice, want at least %d", len(times), twice, least)
			}
			if len(l.sent) >= len(times) {
				t.Errorf("%d calls for %d callers: nothing was shared", len(l.sent), len(times))
			}
			t.Logf("%d calls for %d callers, %d cancelled", len(l.sent), len(times), cancelled.Load())
		})
	}
}

// BenchmarkOpenGate is what a call pays when there is nobody else.
func BenchmarkOpenGate(b *testing.B) {
	g := batch.New(batch.Config{MaxInFlight: 2, MaxSize: 10})
	for b.Loop() {
		if g.Enter() {
			g.Leave()
		}
	}
}
