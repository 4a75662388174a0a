package testdb

import (
	"cmp"
	"crypto/rand"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

//go:embed watchdog.sh
var watchdogScript string

// maxSocketPath is the longest path of a unix socket that every supported system accepts (macOS 103, Linux 107).
const maxSocketPath = 103

// sandbox is a temporary directory with servers in it, and the watchdog that ends both. There is one way out, taken
// by a tidy close, a panic and a SIGKILL alike: the pipe to the watchdog closes.
type sandbox struct {
	dir      string
	owner    *owner
	watchdog *exec.Cmd
	pipe     io.Closer

	mu    sync.Mutex
	live  map[*process]struct{}
	names map[string]int // how many of a kind there were

	once sync.Once
	err  error
}

func newSandbox(durable bool) (*sandbox, error) {
	own, err := serverOwner()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(baseDir(own, durable), "smrt-pg-"+rand.Text()[:10])
	b := &sandbox{dir: dir, owner: own, live: map[*process]struct{}{}, names: map[string]int{}}
	// First the one who removes the directory, then the directory: no moment to die in between and leave it behind.
	if err := b.guard(); err != nil {
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	for _, path := range []string{dir, b.pidFile("")} {
		if err := os.Mkdir(path, 0o700); err != nil {
			b.close()
			return nil, fmt.Errorf("make the server's directory: %w", err)
		}
		if err := own.give(path); err != nil {
			b.close()
			return nil, fmt.Errorf("make the server's directory: %w", err)
		}
	}
	return b, nil
}

// memoryRoom is how many bytes a file system in memory must have left to be used. The servers of a suite take a few
// hundred million.
const memoryRoom = 2 << 30

// baseDir returns where sandboxes go: TMPDIR; else a file system in memory, unless the server must be durable; else the
// system's temporary directory. /tmp takes the place of one that the server's user cannot reach, or in which socket paths
// would become too long.
//
// In memory a database is copied in 8 ms and dropped in 4 ms; on an idle disk in 21 ms and 5 ms, on a busy one in 84 ms
// and 105 ms.
func baseDir(own *owner, durable bool) string {
	base := os.TempDir()
	if os.Getenv("TMPDIR") == "" && !durable {
		base = cmp.Or(memoryDir(memoryRoom), base)
	}
	socket := filepath.Join(base, "smrt-pg-0123456789", "standby99", ".s.PGSQL.5432")
	if len(socket) > maxSocketPath || !own.canReach(base) {
		return "/tmp"
	}
	return base
}

// guard starts the watchdog, in a session of its own so that neither Ctrl-C nor a hang-up of the terminal reaches it.
// Its output goes nowhere: an inherited one would keep "go test" waiting for it.
func (b *sandbox) guard() error {
	// By way of a variable, so that a list of processes does not show the whole script.
	cmd := exec.Command("/bin/sh", "-c", `eval "$SMRT_WATCHDOG"`, "smrt-watchdog", b.dir)
	cmd.Env = append(os.Environ(), "SMRT_WATCHDOG="+watchdogScript)
	inSession(cmd, nil)
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	b.watchdog, b.pipe = cmd, pipe
	return nil
}

// close ends all servers of the sandbox, removes its directory, and returns when both are done.
func (b *sandbox) close() error {
	b.once.Do(func() {
		live := b.processes()
		for _, proc := range live {
			proc.signal(goOn) // what is frozen would take five seconds to end
		}
		b.pipe.Close()
		if err := b.watchdog.Wait(); err != nil {
			b.err = fmt.Errorf("remove the server in %s: %w", b.dir, err)
			return
		}
		for _, proc := range live {
			<-proc.done
		}
	})
	return b.err
}

func (b *sandbox) processes() []*process {
	b.mu.Lock()
	defer b.mu.Unlock()
	var live []*process
	for proc := range b.live {
		live = append(live, proc)
	}
	return live
}

// nextName returns a name that nothing else in the sandbox has had.
func (b *sandbox) nextName(kind string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.names[kind]++
	return fmt.Sprintf("%s%d", kind, b.names[kind])
}

// pidFile returns the file in which the process of that name announces its pid, the directory of all if name is empty.
func (b *sandbox) pidFile(name string) string { return filepath.Join(b.dir, "pids", name) }
