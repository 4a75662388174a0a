//go:build !linux

package testdb

// memoryDir returns "": there is no file system in memory that every program may use.
func memoryDir(uint64) string { return "" }
