package train

import (
	"context"
	"fmt"
	"strings"
)

// showsScript prints the arguments of all processes of this user that name the job in $1, and the files of its folder in $2 that
// others may read.
const showsScript = `for p in /proc/[0-9]*; do tr '\0' ' ' < "$p/cmdline" 2>/dev/null | grep -F -- "$1" && echo; done
find "$2" -type f -perm /044 -not -path "$2/src/*" -not -path "$2/checkpoint/*" -exec cat {} + 2>/dev/null; :`

// leftScript prints the processes of the job, and its folder where nobody has collected it.
const leftScript = `for p in /proc/[0-9]*; do [ "$p" != "/proc/$$" ] && tr '\0' ' ' < "$p/cmdline" 2>/dev/null | grep -F -- "agent run $2"; done
[ ! -d "$2" ] || [ -f "$2/collected" ] || echo "$2"
[ ! -d "$2/src" ] || echo "$2/src"
[ ! -f "$2/secrets" ] || echo "$2/secrets"; :`

// Shows is what other users of the hosts can see of a job.
func (f *Fleet) Shows(ctx context.Context, job Ref) (string, error) {
	return f.everywhere(ctx, showsScript, job)
}

// Left is what is left on the hosts of a job that was collected.
func (f *Fleet) Left(ctx context.Context, job Ref) (string, error) {
	return f.everywhere(ctx, leftScript, job)
}

func (f *Fleet) everywhere(ctx context.Context, script string, job Ref) (string, error) {
	var all strings.Builder
	for _, h := range f.hostsOf(job) {
		// The shell finds the home folder of a root that begins with it.
		line := `d=$2; case $d in "~/"*) d=$HOME/${d#"~/"};; esac; set -- "$1" "$d"; ` + script
		answer, err := h.Run(ctx, []string{"sh", "-c", line, "sh", job.ID.Hex(), strings.TrimSuffix(h.Dir, "/") + "/jobs/" + job.ID.Hex()}, nil)
		if err != nil {
			return "", err
		}
		if answer.Status != 0 {
			return "", fmt.Errorf("%s cannot say what it shows of the job: %s", h.label(), answer.Stderr)
		}
		all.Write(answer.Stdout)
	}
	return all.String(), nil
}
