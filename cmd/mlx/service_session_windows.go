package main

import "syscall"

// ownSession keeps a process from ending with the console that it was started in.
func ownSession() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
