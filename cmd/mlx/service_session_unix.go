//go:build unix

package main

import "syscall"

// ownSession keeps a process from ending with the terminal that it was started in.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
