package segment

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/lineage/internal/disk"
)

// Suffixes of the states of a segment. It moves from each to the next and never back.
const (
	open    = ".seg"
	sealing = ".sealing" // its writer may write no more; any sealer may pack it
	damaged = ".damaged" // packed as far as it could be read; kept as evidence

	again = "-again" // at the end of a base name
)

// MayRepeat reports whether records of the segment at path may also be in a pack already.
func MayRepeat(path string) bool {
	return strings.HasSuffix(path, sealing) || strings.HasSuffix(path, again+open)
}

// Names lists the segments in dir that have not been packed, oldest first, each without its suffix. It lists twice: a file that
// is renamed while the folder is read can be missed under both names, but is renamed only once.
func Names(dir string) ([]string, error) {
	var all []string
	for range 2 {
		names, err := disk.List(dir)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if base, ok := strings.CutSuffix(n, open); ok {
				all = append(all, base)
			} else if base, ok := strings.CutSuffix(n, sealing); ok {
				all = append(all, base)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// Damaged lists the files that sealers kept as evidence.
func Damaged(dir string) ([]string, error) {
	names, err := disk.List(dir)
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, damaged) })
	slices.Sort(names)
	return names, err
}

// Find returns where the segment called base is now. If it is nowhere, it has been packed.
func Find(dir, base string) (path string, info os.FileInfo, err error) {
	for _, suffix := range []string{open, sealing} { // in the direction in which it moves
		path = filepath.Join(dir, base+suffix)
		if info, err = os.Lstat(path); err == nil {
			return path, info, nil
		}
	}
	return path, nil, err
}

// Claimed reports whether the segment at path has been taken from its writer.
func Claimed(path string) bool { return strings.HasSuffix(path, sealing) }

// Base is the name of the segment at path without its suffix.
func Base(path string) string {
	name := filepath.Base(path)
	return strings.TrimSuffix(strings.TrimSuffix(name, open), sealing)
}

// Claim takes the segment called base away from its writer and returns its new path; mine is false if it had been taken before, by a
// sealer that died or is at work.
func Claim(dir, base string) (path string, mine bool, err error) {
	path = filepath.Join(dir, base+sealing)
	err = os.Rename(filepath.Join(dir, base+open), path)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Lstat(path)
		return path, false, err
	}
	return path, true, err
}

// Drop removes a claimed segment that has been packed; one that held damage is kept under another name.
func Drop(path string, keep bool) error {
	if keep {
		return os.Rename(path, strings.TrimSuffix(path, sealing)+damaged)
	}
	return os.Remove(path)
}
