package testdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program of PostgreSQL running in a sandbox.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process is gone and its pid file removed
	err  error         // how it ended; read after done
}

// announce writes the pid for the watchdog before the program runs. Written by the parent afterwards, it would be
// missing if the parent were killed in between.
const announce = `echo $$ >"$0" && exec "$@"`

// start runs a program in the sandbox, as its owner, with output appended to logFile.
func (b *sandbox) start(name, logFile string, argv ...string) (*process, error) {
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", announce, b.pidFile(name)}, argv...)...)
	cmd.Dir = b.dir
	cmd.Env = b.environ()
	cmd.Stdout, cmd.Stderr = out, out
	inSession(cmd, b.owner)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	b.mu.Lock()
	b.live[p] = struct{}{}
	b.mu.Unlock()
	go b.await(name, p)
	return p, nil
}

// await notes the end of a process.
func (b *sandbox) await(name string, p *process) {
	p.err = p.cmd.Wait()
	os.Remove(b.pidFile(name))
	b.mu.Lock()
	delete(b.live, p)
	b.mu.Unlock()
	close(p.done)
}

// run starts a program and waits for its end.
func (b *sandbox) run(ctx context.Context, name, logFile string, argv ...string) error {
	p, err := b.start(name, logFile, argv...)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
		return fmt.Errorf("%s: %w", filepath.Base(argv[0]), ctx.Err())
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(argv[0]), p.err, tail(logFile))
	}
	return nil
}

// environ is the caller's environment without what would redirect PostgreSQL (PGDATA, PGPORT, PGOPTIONS...), with
// messages in English and only such directories as the owner may use.
func (b *sandbox) environ() []string {
	env := []string{"LC_ALL=C", "HOME=" + b.dir}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "LC_") || name == "HOME" || name == "TMPDIR" {
			continue
		}
		env = append(env, entry)
	}
	return env
}

// running reports whether the process has not ended yet.
func (p *process) running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// family returns the process and its children. The children of a server lead sessions of their own, so signalling
// the process group does not reach them.
func (p *process) family() []int {
	pids := []int{p.cmd.Process.Pid}
	for _, pair := range processes() {
		if pair[1] == p.cmd.Process.Pid {
			pids = append(pids, pair[0])
		}
	}
	return pids
}

// signal sends sig to the process and its children.
func (p *process) signal(sig syscall.Signal) error {
	if !p.running() {
		return nil
	}
	var errs []error
	for _, pid := range p.family() {
		if err := kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// waitGone waits until none of the processes exists. Orphans are reaped by init in its own time.
func waitGone(pids []int, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for _, pid := range pids {
		for alive(pid) {
			if time.Now().After(deadline) {
				return fmt.Errorf("process %d survives SIGKILL", pid)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	return nil
}

// alive reports whether a process exists. A zombie does not count, where /proc can tell.
func alive(pid int) bool {
	if err := kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	_, state, err := readStat(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || state != "Z"
}

// processes lists pid and parent of every process that is not a zombie: from /proc where there is one, as ps is often
// missing in containers, and from ps otherwise.
func processes() [][2]int {
	if pairs := procProcesses(); len(pairs) > 0 {
		return pairs
	}
	text, err := exec.Command("ps", "-axo", "pid=,ppid=,stat=").Output()
	if err != nil {
		return nil
	}
	var pairs [][2]int
	for line := range strings.Lines(string(text)) {
		var pid, parent int
		var state string
		if _, err := fmt.Sscan(line, &pid, &parent, &state); err == nil && !strings.HasPrefix(state, "Z") {
			pairs = append(pairs, [2]int{pid, parent})
		}
	}
	return pairs
}

func procProcesses() [][2]int {
	var pairs [][2]int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		pid, errPID := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, state, err := readStat(path)
		if err == nil && errPID == nil && state != "Z" {
			pairs = append(pairs, [2]int{pid, parent})
		}
	}
	return pairs
}

// readStat reads a line "pid (command) state parent ...", where the command may contain anything.
func readStat(path string) (parent int, state string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, "", err
	}
	line := string(text)
	_, err = fmt.Sscan(line[strings.LastIndexByte(line, ')')+1:], &state, &parent)
	return parent, state, err
}

// tail returns the end of a log for an error message.
func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	const limit = 2000
	if len(text) > limit {
		text = text[len(text)-limit:]
	}
	return strings.TrimSpace(string(text))
}
