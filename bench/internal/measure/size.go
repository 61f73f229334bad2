package measure

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Size is what a file or a folder holds.
type Size struct {
	Files int64
	Bytes int64
}

// SizeOf walks path; what is missing has no size.
func SizeOf(path string) (Size, error) {
	var size Size
	err := filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		size.Files++
		size.Bytes += info.Size()
		return nil
	})
	if os.IsNotExist(err) {
		return Size{}, nil
	}
	return size, err
}

// Warm reads every file below path once, so that the measured commands find it in memory.
func Warm(path string) error {
	buffer := make([]byte, 1<<20)
	return filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		for {
			if _, err := f.Read(buffer); err != nil {
				return nil //nolint:nilerr // the end, or what the measured command will report itself
			}
		}
	})
}
