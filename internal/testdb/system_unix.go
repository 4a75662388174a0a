//go:build unix

package testdb

import (
	"os/exec"
	"syscall"
)

// What halts a process and lets it go on.
const (
	halt = syscall.SIGSTOP
	goOn = syscall.SIGCONT
)

// startable returns why servers cannot be started on this system.
func startable() error { return nil }

// kill sends a signal to a process, or to a group if pid is negative.
func kill(pid int, sig syscall.Signal) error { return syscall.Kill(pid, sig) }

// inSession lets cmd run in a session of its own, as the owner.
func inSession(cmd *exec.Cmd, own *owner) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if own != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: own.uid, Gid: own.gid}
	}
}
