//go:build unix

package measure

import (
	"syscall"
	"time"
)

// cpuTime returns the processor time that this process has taken: the client's, since the server is another process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
