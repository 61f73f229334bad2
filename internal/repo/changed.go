package repo

import (
	"context"
	"strings"

	"mlx/internal/fault"
)

// ChangedFiles counts the files of code that differ between two commits. Pointer files do not count. A commit that git
// does not have is an error.
func (r *Repo) ChangedFiles(ctx context.Context, a, b string) (int64, error) {
	for _, commit := range []string{a, b} {
		if len(commit) < 40 || strings.Trim(commit, "0123456789abcdef") != "" {
			return 0, fault.New(fault.Usage, "%q is no commit", commit) // it comes from a record: never an option for git
		}
	}
	out, err := r.git(ctx, append([]string{"diff", "--name-only", "--no-ext-diff", "--no-renames", "-z", a, b}, r.code()...)...)
	return int64(len(splitZ(out))), err
}
