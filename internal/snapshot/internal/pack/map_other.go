//go:build !unix

package pack

import "os"

// mapFile reads n bytes of f from off.
func mapFile(f *os.File, off int64, n int) ([]byte, func(), error) {
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil {
		return nil, nil, err
	}
	return b, func() {}, nil
}
