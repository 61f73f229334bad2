//go:build !unix

package disk

import "os"

// Map reads n bytes of f from off.
func Map(f *os.File, off int64, n int) ([]byte, func(), error) {
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil {
		return nil, nil, err
	}
	return b, func() {}, nil
}
