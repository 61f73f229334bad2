//go:build unix

package train

import (
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

// apart starts a process in a group of its own.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// ownFolder says whether it is a folder of this user that nobody else can enter.
func ownFolder(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.IsDir() && info.Mode().Perm()&0o077 == 0 && int(s.Uid) == os.Getuid()
}

// inodeOf tells files of one path apart.
func inodeOf(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}
