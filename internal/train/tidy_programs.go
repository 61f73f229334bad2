package train

import (
	"os"
	"path/filepath"
	"time"
)

// UseProgram notes that the program in the folder of mlx on this node is in use: TidyFolders removes those that have not been for
// long. It is no trouble if it cannot: the next that starts tries again.
func UseProgram(root, program string, now time.Time) {
	bin := filepath.Join(root, binDir)
	own := filepath.Dir(program)
	if real, err := filepath.EvalSymlinks(bin); err == nil && (filepath.Dir(own) == real || filepath.Dir(own) == bin) {
		_ = os.Chtimes(own, now, now)
	}
}
