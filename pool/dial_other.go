//go:build !linux

package pool

import "syscall"

// limitUnsent does nothing: the option is one of Linux.
func limitUnsent(string, string, syscall.RawConn) error { return nil }
