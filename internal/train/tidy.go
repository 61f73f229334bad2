package train

import (
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// programAge is how long a program that nobody starts any more is kept on a node.
const programAge = 30 * 24 * time.Hour

// TidyPrograms notes that the program in the folder of mlx on this node is in use, and removes those that have not been for long.
// It is no trouble if it cannot: the next that starts tries again.
func TidyPrograms(root, program string, now time.Time) {
	bin := filepath.Join(root, "bin")
	own := filepath.Dir(program)
	if real, err := filepath.EvalSymlinks(bin); err != nil || filepath.Dir(own) != real && filepath.Dir(own) != bin {
		return // it was not started from there: a test, or another installation
	}
	all, err := os.ReadDir(bin)
	if err != nil || os.Chtimes(own, now, now) != nil {
		return
	}
	digest := regexp.MustCompile(`^[0-9a-f]{64}$`)
	for _, e := range all {
		info, err := e.Info()
		if err != nil || !info.IsDir() || !digest.MatchString(e.Name()) || e.Name() == filepath.Base(own) || now.Sub(info.ModTime()) < programAge {
			continue
		}
		_ = os.RemoveAll(filepath.Join(bin, e.Name()))
	}
}
