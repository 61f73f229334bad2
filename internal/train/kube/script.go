package kube

import (
	"strconv"
	"strings"
	"time"

	"mlx/internal/train"
)

// masterName is the file, in the folder of a job, that says where node 0 is.
const masterName = "master"

// comeMost is how long a pod waits for mlx, as the agent does for the rest. Whoever submitted it may have been stopped half way and
// never come back, and its GPUs are wanted.
const comeMost = time.Hour

// How a container ends that has waited for too long, and the file whose text Kubernetes shows as its message.
const (
	waitedStatus = 125
	lastWords    = "/dev/termination-log"
)

// waitScript is what the main container executes: it waits for mlx, which an init container or Link brings, and becomes
// the agent. A shell that is the first process of a container ignores TERM unless it is told otherwise. An image without date waits
// for good.
func waitScript(dir string, most time.Duration) string {
	return `trap 'exit 143' TERM INT
now() { date +%s 2>/dev/null || echo 0; }
late=$(($(now) + ` + strconv.Itoa(int(most/time.Second)) + `))
d=` + quote(dir) + `
mkdir -p "$d" || exit 125
if [ -f ` + orderDir + `/job.json ] && ! [ -f "$d/job.json" ]; then
  cp ` + orderDir + `/job.json "$d/.job" && mv "$d/.job" "$d/job.json" && : >"$d/ready" || exit 125
fi
while ! [ -x "$d/mlx" ]; do
  if [ "$(now)" -ge "$late" ]; then
    why='nobody brought mlx in ` + most.String() + `: whoever submitted the run was stopped half way'
    echo "$why" >&2
    [ -e ` + lastWords + ` ] && echo "$why" >` + lastWords + `
    exit ` + strconv.Itoa(waitedStatus) + `
  fi
  (sleep 0.2 || sleep 1) 2>/dev/null & wait $!
done
[ -f "$d/` + masterName + `" ] && read -r m <"$d/` + masterName + `" && export ` + train.MasterVariable + `="$m"
exec "$d/mlx" agent run "$d"`
}

// copyScript is what the init container of an image with mlx executes.
func copyScript(dir string) string {
	return `d=` + quote(dir) + `
mkdir -p "$d" && cp "$(command -v mlx)" "$d/.mlx" && chmod 755 "$d/.mlx" && mv "$d/.mlx" "$d/mlx"`
}

// probeScript tells, a word a line: whether mlx is there, the system, the machine, gzip or plain, and then the files of
// mlx that earlier jobs left.
func probeScript(root, dir string) string {
	return `d=` + quote(dir) + `
[ -x "$d/mlx" ] && echo have || echo need
uname -s 2>/dev/null || echo Linux
uname -m
command -v gzip >/dev/null 2>&1 && echo gzip || echo plain
for f in ` + quote(root+"/bin") + `/*/mlx; do [ -x "$f" ] && echo "$f"; done
true`
}

// bringScript takes mlx from its standard input and gives it its name when all of it has come.
func bringScript(where, decode, size string) string {
	return `b=` + quote(where) + `
mkdir -p "$b" && t="$b/.mlx.${HOSTNAME:-}.$$" && ` + decode + ` >"$t" && [ "$(wc -c <"$t" | tr -d ' ')" = ` + size + ` ] && chmod 755 "$t" && mv "$t" "$b/mlx"`
}

// nameScript makes a version of mlx that of a job, which starts the agent. master is the address of node 0; empty: the agent has
// its name.
func nameScript(where, dir, master string) string {
	note := ""
	if master != "" {
		note = ` && echo ` + quote(master) + ` >` + quote(dir+"/"+masterName)
	}
	return `mkdir -p ` + quote(dir) + note + ` && ln -sf ` + quote(where+"/mlx") + ` ` + quote(dir+"/mlx")
}

// quote makes one word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
