package train

import (
	"context"
	"strings"

	"mlx/internal/fault"
)

// ProcessesScript prints the processes of a host that belong to the job hex, a variable of the script: its id is among their words or
// variables. The id goes by stdin: grep would find itself otherwise.
const ProcessesScript = `
for p in $(echo "$hex" | grep -a -l -s -F -f - /proc/[0-9]*/cmdline /proc/[0-9]*/environ | cut -d / -f 3 | sort -u); do
  words=$(tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline")
  [ -z "$words" ] || printf 'process %s: %s\n' "$p" "$words"
done
`

// showsScript prints the arguments of all processes of the job, and the files of its folder that others may read.
const showsScript = ProcessesScript + `
cd "$dir" 2>/dev/null || exit 0
find . -type f \( -perm -040 -o -perm -004 \) ! -path './src/*' ! -path './checkpoint/*' -exec cat {} + 2>/dev/null
exit 0
`

// leftScript prints the processes of the job, and its folder where nobody has collected it.
const leftScript = ProcessesScript + `
[ ! -d "$dir" ] || [ -f "$dir/collected" ] || echo "$dir"
[ ! -d "$dir/src" ] || echo "$dir/src"
[ ! -f "$dir/secrets" ] || echo "$dir/secrets"
exit 0
`

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
		// By stdin, because what stands among its words would be found. The shell there knows the home folder of a root that begins with it.
		head := plainQuote([]string{job.ID.Hex(), strings.TrimSuffix(h.Dir, "/") + "/jobs/" + job.ID.Hex()})
		answer, err := h.Run(ctx, []string{"sh", "-s"}, []byte("set -- "+head+"\n"+`hex=$1 dir=$2; case $dir in "~/"*) dir=$HOME/${dir#"~/"};; esac`+script))
		if err != nil {
			return "", err
		}
		if answer.Status != 0 {
			return "", fault.New(fault.Unavailable, "%s cannot say what it shows of the job: %s", h.label(), lastLine(string(answer.Stderr), ""))
		}
		all.Write(answer.Stdout)
	}
	return all.String(), nil
}
