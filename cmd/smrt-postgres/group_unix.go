//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// passOn lets cmd and what it starts hear once that they should end: a terminal would tell all of them, and
// so would this program. A shell that was started in the background ignores interrupts, and not SIGTERM.
func passOn(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}
