package measure

import "os"

// Project returns the folder to measure in and what removes it: keep itself, which stays, or a temporary one where keep is
// empty.
func Project(keep, name string) (dir string, remove func(), err error) {
	if keep != "" {
		return keep, func() {}, nil
	}
	dir, err = os.MkdirTemp("", "mlx-bench-"+name+"-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}
