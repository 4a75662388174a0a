package smrtredis_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	smrtredis "github.com/smrt-go/smrt/contrib/redis"
	"github.com/smrt-go/smrt/guard"
)

const (
	processes = 3
	childEnv  = "SMRT_REDIS_CHILD" // what a child does, see child
)

func TestMain(m *testing.M) {
	if does := os.Getenv(childEnv); does != "" {
		child(does)
		return
	}
	os.Exit(m.Run())
}

// child takes points for a while, when a line has come, and prints how many it got, and
// how often its store did not answer. Alone, it has no store to share.
func child(does string) {
	var socket string
	var tries int
	var b guard.Bucket
	var lasts time.Duration
	if _, err := fmt.Sscan(does, &socket, &tries, &b.Interval, &b.Burst, &lasts); err != nil {
		fail(err)
	}
	b.Rate, b.Key = "a", "a"
	var store guard.Store = guard.NewBuckets(100)
	locally := func() uint64 { return 0 }
	if socket != "alone" {
		client, err := newClient(socket)
		if err != nil {
			fail(err)
		}
		defer client.Close()
		shared, err := smrtredis.New(smrtredis.Config{Client: client, Processes: processes, Timeout: 10 * time.Second, Retry: 100 * time.Millisecond, Logger: quiet})
		if err != nil {
			fail(err)
		}
		store, locally = shared, func() uint64 { return shared.Stats().Locally }
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	taken := 0
	for began, i := time.Now(), 0; i < tries || time.Since(began) < lasts; i++ {
		if store.Take(context.Background(), b, 1, 0).Taken {
			taken++
		} else {
			time.Sleep(time.Millisecond)
		}
	}
	fmt.Println(taken, locally())
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// run runs the test binary as several processes at once, and during while they are at
// work. It returns how many points all of them took, and how often they decided alone.
func run(t *testing.T, socket string, tries int, b guard.Bucket, lasts time.Duration, during func()) (taken, locally int, took time.Duration) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var inputs []io.WriteCloser
	outputs := make([]*bufio.Reader, processes)
	for i := range processes {
		cmd := exec.CommandContext(t.Context(), program)
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %d %d", childEnv, socket, tries, b.Interval, b.Burst, lasts))
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Wait() })
		inputs, outputs[i] = append(inputs, in), bufio.NewReader(out)
	}
	began := time.Now()
	for _, in := range inputs {
		_ = in.Close()
	}
	during()
	for _, out := range outputs {
		var some, alone int
		if _, err := fmt.Fscan(out, &some, &alone); err != nil {
			t.Fatal(err)
		}
		taken, locally = taken+some, locally+alone
	}
	return taken, locally, time.Since(began)
}

// TestProcesses: three processes together take as much as one may, and each by itself
// would take as much.
func TestProcesses(t *testing.T) {
	server := startServer(t)
	nothing := func() {}
	b := guard.Bucket{Interval: slow, Burst: 100}
	if taken, locally, _ := run(t, server.socket, 150, b, 0, nothing); taken != 100 || locally > 0 {
		t.Errorf("%d points were taken of 100, %d were decided alone", taken, locally)
	}
	if taken, _, _ := run(t, "alone", 150, b, 0, nothing); taken != 300 {
		t.Errorf("control: %d points were taken by three that do not know each other", taken)
	}
	// With points that come back.
	server.kill()
	server.start(findServer())
	b = guard.Bucket{Interval: 5 * time.Millisecond, Burst: 100}
	taken, locally, took := run(t, server.socket, 0, b, 2*time.Second, nothing)
	if most := int(b.Burst) + int(took/b.Interval) + 1; taken > most || locally > 0 {
		t.Errorf("%d points were taken in %v, there were %d, %d were decided alone", taken, took, most, locally)
	}
}

// TestProcessesWithoutStore: a store that is killed and comes back empty lets three
// processes take twice as much as they may, and nothing fails.
func TestProcessesWithoutStore(t *testing.T) {
	server := startServer(t)
	b := guard.Bucket{Interval: 5 * time.Millisecond, Burst: 100}
	taken, locally, took := run(t, server.socket, 0, b, 4*time.Second, func() {
		time.Sleep(time.Second)
		server.kill()
		time.Sleep(2 * time.Second)
		server.start(findServer())
	})
	if most := 2 * (int(b.Burst) + int(took/b.Interval)); taken > most {
		t.Errorf("%d points were taken in %v, twice the rate is %d", taken, took, most)
	}
	if locally == 0 {
		t.Error("nobody noticed that the store was away")
	}
	t.Logf("%d points in %v, %d were decided alone", taken, took, locally)
}
