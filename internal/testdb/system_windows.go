package testdb

import (
	"errors"
	"os/exec"
	"syscall"
)

// Signals that nothing is sent here, as no server is started.
const (
	halt = syscall.SIGKILL
	goOn = syscall.SIGKILL
)

var errNoServers = errors.New("no server is started on Windows: set SMRT_TEST_DSN to the DSN of a running one")

// startable returns why servers cannot be started on this system.
func startable() error { return errNoServers }

func kill(int, syscall.Signal) error { return errNoServers }

func inSession(*exec.Cmd, *owner) {}
