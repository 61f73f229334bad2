package train

import (
	"io/fs"
	"os/exec"
	"syscall"
)

// apart starts a process that no Ctrl-C of this console reaches.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// ownFolder: the ssh of this system keeps no connections open, so that there is nothing to keep in it.
func ownFolder(fs.FileInfo) bool { return false }

// inodeOf is not told by this system; size and time remain.
func inodeOf(fs.FileInfo) uint64 { return 0 }
