package train

import "syscall"

// noExec is ST_NOEXEC of statfs(2).
const noExec = 8

// spaceOf returns the bytes that the user may still write below a folder, -1 where that cannot be told, and whether nothing
// there can be executed.
func spaceOf(dir string) (free int64, noexec bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return -1, false
	}
	return int64(st.Bavail) * int64(st.Bsize), st.Flags&noExec != 0 //nolint:gosec // no disk has 2^63 bytes
}
