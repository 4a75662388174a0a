package testdb

import (
	"bytes"
	"math"
	"os"
	"strconv"
	"syscall"
)

const (
	memoryFiles = "/dev/shm"
	tmpfs       = 0x01021994 // as statfs(2) names it
)

// memoryDir returns the directory of a file system in memory that has so many bytes left, as has the machine; "" if there is none.
func memoryDir(room uint64) string {
	var s syscall.Statfs_t
	if err := syscall.Statfs(memoryFiles, &s); err != nil || s.Type != tmpfs || s.Bavail*uint64(s.Bsize) < room {
		return ""
	}
	if min(machineMemory(), groupMemory()) < 2*room { // the programs need some too
		return ""
	}
	return memoryFiles
}

// machineMemory returns the bytes that programs can still take, 0 if that is not known.
func machineMemory() uint64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if f := bytes.Fields(line); len(f) > 1 && string(f[0]) == "MemAvailable:" {
			kilobytes, _ := strconv.ParseUint(string(f[1]), 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}

// groupMemory returns the bytes that the container may still take.
func groupMemory() uint64 {
	number := func(file string) (uint64, error) {
		text, err := os.ReadFile("/sys/fs/cgroup/" + file)
		if err != nil {
			return 0, err
		}
		return strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
	}
	limit, err := number("memory.max")
	if err != nil { // there is none, or the file says max
		return math.MaxUint64
	}
	used, err := number("memory.current")
	if err != nil || used > limit {
		return 0
	}
	return limit - used
}
