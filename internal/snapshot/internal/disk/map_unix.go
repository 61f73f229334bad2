//go:build unix

package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// Map maps n bytes of f from off, so that an index is paged in only where it is looked at. The second result unmaps them.
func Map(f *os.File, off int64, n int) ([]byte, func(), error) {
	page := int64(os.Getpagesize())
	lead := int(off % page)
	b, err := unix.Mmap(int(f.Fd()), off-int64(lead), n+lead, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return b[lead:], func() { _ = unix.Munmap(b) }, nil
}
