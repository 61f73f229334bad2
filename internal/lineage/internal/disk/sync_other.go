//go:build !linux

package disk

import "os"

// SyncData makes the content of f durable. (On macOS Sync asks the drive itself, by F_FULLFSYNC.)
func SyncData(f *os.File) error { return f.Sync() }
