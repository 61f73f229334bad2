//go:build !linux

package run

import "os"

// IsWarning says whether a signal is one by which backends say that they are about to end a job. Their nodes have Linux.
func IsWarning(os.Signal) bool { return false }

// Warnings are the signals by which backends say that they are about to end a job.
func Warnings() []os.Signal { return nil }

func warn(*os.Process, os.Signal) {}
