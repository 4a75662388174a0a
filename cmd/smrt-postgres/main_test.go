package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

// skipWithoutServer leaves a test out where no server can be started.
func skipWithoutServer(t *testing.T) {
	t.Helper()
	if _, err := testdb.FindBinaries(); err != nil {
		t.Skip(err)
	}
	if os.Getenv("SMRT_TEST_DSN") != "" {
		t.Skip("the command starts servers of its own")
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	skipWithoutServer(t)
	for _, tc := range []struct {
		args   string
		status int
		out    string
	}{
		{"", 2, "no program to run"},
		{"-standbys -1 true", 2, "negative"},
		{"-h", 0, "-standbys"},
		{"no-such-program", 1, "not found"},
		{`sh -c 'echo "$DATABASE_URL and [$REPLICA_URLS]"; exit 7'`, 7, "/example?host="},
	} {
		var out bytes.Buffer
		args := strings.Fields(tc.args)
		if before, script, ok := strings.Cut(tc.args, "'"); ok {
			args = append(strings.Fields(before), strings.TrimSuffix(script, "'"))
		}
		if status := run(t.Context(), args, &out, &out); status != tc.status || !strings.Contains(out.String(), tc.out) {
			t.Errorf("%s: status %d, not %d: %s", tc.args, status, tc.status, out.String())
		}
	}
}

// TestInterrupt interrupts a program, which hears of it once and ends in order, and the servers after it.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	skipWithoutServer(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := &signalled{interrupt: interrupt}
	const script = `trap 'n=$((n+1))' TERM; echo ready "$DATABASE_URL"; while [ -z "$n" ]; do sleep 0.05; done; sleep 0.2; echo "interrupted $n"; exit 3`
	if status := run(ctx, []string{"sh", "-c", "n=; " + script}, out, out); status != 3 || !strings.Contains(out.text.String(), "interrupted 1") {
		t.Errorf("status %d: %s", status, out.text.String())
	}
	_, after, _ := strings.Cut(out.text.String(), "?host=")
	directory, err := url.QueryUnescape(strings.SplitN(after, "&", 2)[0])
	if _, gone := os.Stat(directory); err != nil || directory == "" || !os.IsNotExist(gone) {
		t.Errorf("the server's directory %q is left: %v, %v", directory, err, gone)
	}
}

// signalled calls interrupt when something is written.
type signalled struct {
	text      strings.Builder
	interrupt func()
}

func (s *signalled) Write(p []byte) (int, error) {
	defer s.interrupt()
	return s.text.Write(p)
}

// TestExample does what make example does, asks the service for something, and interrupts it. It runs
// at full size only, because it compiles the service and the command.
func TestExample(t *testing.T) {
	t.Parallel()
	skipWithoutServer(t)
	if !check.Long() {
		t.Skip("compiles programs: SMRT_TEST_LONG=1 runs it")
	}
	ctx, interrupt := context.WithTimeout(t.Context(), testdb.Patience(time.Minute)) // it compiles the service
	defer interrupt()
	printed, out := io.Pipe()
	var all bytes.Buffer
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, []string{
			"-standbys", "1", "env", "ADDR=127.0.0.1:0", "OPS_ADDR=127.0.0.1:0", "PRODUCTS=50", "sh", "../../examples/shop/start.sh",
		}, out, out)
		out.Close()
	}()
	asked := false
	for lines := bufio.NewScanner(io.TeeReader(printed, &all)); lines.Scan(); {
		if address, ok := strings.CutPrefix(lines.Text(), "metrics: "); ok {
			asked = true
			checkMetrics(t, strings.TrimSpace(address))
			interrupt()
		}
	}
	if s := <-status; s != 0 || !asked { // the service ends in order
		t.Errorf("status %d\n%s", s, all.String())
	}
}

// checkMetrics asks the service for what it says of its servers.
func checkMetrics(t *testing.T, address string) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(address)
	if err != nil {
		t.Error(err)
		return
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || !strings.Contains(string(text), `smrt_replica_up{node="standby1"`) {
		t.Errorf("no standby: %v\n%s", err, text)
	}
}
