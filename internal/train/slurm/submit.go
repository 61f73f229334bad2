package slurm

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/train"
)

// byComment finds, among lines of squeue's, what Slurm calls the job with a comment, or the task of the array with it.
const byComment = `awk -F '|' -v c="$comment" -v t="$task" '$2 == c && (t == "" || $1 ~ "_" t "$") {print $1; exit}'`

// submitScript submits jobs unless Slurm knows them. Its variables stand before it, and in its middle the batch
// script, which it keeps beside the job. It answers "job NUMBER HANDLE" for each job, or "fail|" and Slurm's words.
//
// That a submit was begun is written before it begins: only then can there be a job whose number nobody has noted, and only
// then is Slurm asked for it.
const submitScript = `
fail() { echo "fail|$1"; cat "$at/slurm.err" 2>/dev/null; exit 0; }
note() { echo "$2" >"$1/slurm_id"; } # no rename, which would be a process for each; who reads an empty file knows that it is not yet told
mkdir -p "$at" || fail folder
cd "$at" || fail folder
lock=
if command -v flock >/dev/null 2>&1 && exec 9>slurm.lock && flock -w 60 9 2>/dev/null; then lock=flock; else
  n=0
  until mkdir slurm.locked 2>/dev/null; do
    n=$((n + 1))
    [ "$n" -lt 60 ] || fail locked
    [ -z "$(find slurm.locked -maxdepth 0 -mmin +2 2>/dev/null)" ] || rmdir slurm.locked 2>/dev/null
    sleep 1
  done
  trap 'rmdir slurm.locked 2>/dev/null' EXIT
fi
if [ -n "$after" ] && [ -s slurm_id ] && read -r id <slurm_id && [ "$id" = "$after" ]; then # it is over, and another takes its place
  rm -f slurm_try && mv slurm_id slurm_id.before || fail folder
fi
tried=
left=
n=0
for dir in $dirs; do
  dir=$jobs/$dir
  if ! [ -s "$dir/slurm_id" ]; then
    if [ -s "$dir/slurm_try" ]; then tried=1; else left="$left$n "; fi
  fi
  n=$((n + 1))
done
if [ -n "$tried" ]; then
  known=$(squeue -h -r -t all -u "$(id -un)" -o '%i|%k' 2>slurm.err) || fail queue
  n=0
  for dir in $dirs; do
    dir=$jobs/$dir
    if ! [ -s "$dir/slurm_id" ] && read -r comment task <"$dir/slurm_try" 2>/dev/null; then
      id=$(printf '%s\n' "$known" | ` + byComment + `)
      if [ -n "$id" ]; then note "$dir" "$id"; else left="$left$n "; fi
    fi
    n=$((n + 1))
  done
fi
if [ -n "$left" ]; then
  ln -sf "$program" mlx || fail link
  [ -z "$array" ] || for dir in $dirs; do echo "$jobs/$dir"; done >tasks || fail folder
  n=0
  for dir in $dirs; do
    if ! [ -s "$jobs/$dir/slurm_id" ]; then echo "$comment ${array:+$n}" >"$jobs/$dir/slurm_try" || fail folder; fi
    n=$((n + 1))
  done
  cat >slurm.sh <<'MLX-BATCH-SCRIPT'
@SCRIPT@MLX-BATCH-SCRIPT
  set -- PATH HOME USER LOGNAME SHELL LANG TZ SLURM_CONF SLURM_CLUSTERS MODULESHOME MODULEPATH MODULEPATH_ROOT LMOD_CMD LMOD_DIR LMOD_PKG LMOD_ROOT BASH_ENV $account
  for name; do
    shift
    eval "value=\${$name-} is=\${$name+1}"
    [ -z "$is" ] || set -- "$@" "$name=$value"
  done
  if [ -n "$array" ]; then set -- "$@" sbatch --parsable "--array=$(echo $left | tr ' ' ,)"; else set -- "$@" sbatch --parsable; fi
  id=$(env -i "$@" slurm.sh 2>slurm.err </dev/null) || fail refused
  id=${id%%;*}
  n=0
  for dir in $dirs; do
    case " $left" in *" $n "*) note "$jobs/$dir" "$id${array:+_$n}" ;; esac
    n=$((n + 1))
  done
  i=0
  while [ "$i" -lt 8 ]; do
    why=$(squeue -h -t PENDING -j "$id" -o %r 2>/dev/null | head -n 1)
    case $why in
    PartitionTimeLimit|PartitionNodeLimit|BadConstraints|InvalidAccount|InvalidQOS|AccountNotAllowed|QOSNotAllowed|*PerJobLimit|*MaxNodePerJob|*WallDurationPerJob*)
      scancel "$id" >/dev/null 2>&1
      echo "$why" >slurm.err
      fail never ;;
    PartitionConfig) sleep 0.2 ;;
    *) break ;;
    esac
    i=$((i + 1))
  done
fi
n=0
for dir in $dirs; do
  read -r id <"$jobs/$dir/slurm_id" && echo "job $n $id"
  n=$((n + 1))
done
`

// Submit hands a job to Slurm.
func (d *Driver) Submit(ctx context.Context, j train.Job) (string, error) {
	handles, err := d.submit(ctx, []train.Job{j})
	if err != nil {
		return "", err
	}
	return handles[0], nil
}

// SubmitAll hands jobs to Slurm: those that ask for the same are the tasks of one array. It returns the handles in the order of
// the jobs. After an error the jobs before the one that was refused may have been submitted: the same call finds them again.
func (d *Driver) SubmitAll(ctx context.Context, jobs []train.Job) ([]string, error) {
	handles := make([]string, len(jobs))
	for _, numbers := range groups(jobs) {
		group := make([]train.Job, len(numbers))
		for i, n := range numbers {
			group[i] = jobs[n]
		}
		some, err := d.submit(ctx, group)
		if err != nil {
			return nil, err
		}
		for i, n := range numbers {
			handles[n] = some[i]
		}
	}
	return handles, nil
}

// submit hands jobs that are alike to Slurm.
func (d *Driver) submit(ctx context.Context, jobs []train.Job) ([]string, error) {
	what := "submit job " + jobs[0].ID.Short()
	at, err := d.host.Install(ctx)
	if err != nil {
		return nil, err
	}
	b := batch{job: jobs[0], comment: jobs[0].ID.Hex()}
	folder := path.Join(at.Root, "jobs", jobs[0].ID.Hex())
	var dirs []string
	for i, j := range jobs {
		dirs = append(dirs, j.ID.Hex())
		if len(jobs) > 1 {
			b.tasks = append(b.tasks, i)
		}
	}
	array, after := "", ""
	if isHandle(jobs[0].After) { // its comment is that of no other, so that an answer that is lost finds this one and not the one before
		after = jobs[0].After
		b.comment += "-after-" + after
	}
	if len(jobs) > 1 {
		b.comment, array = key(jobs), "1"
		folder = path.Join(at.Root, arraysName, b.comment)
	}
	text, err := d.script(b)
	if err != nil {
		return nil, err
	}
	if strings.Contains("\n"+text, "\nMLX-BATCH-SCRIPT\n") {
		return nil, fault.New(fault.Usage, "cannot submit a script with a line MLX-BATCH-SCRIPT")
	}
	head := fmt.Sprintf("at=%s jobs=%s dirs=%s array=%s after=%s program=%s comment=%s account=%s\n", quote(folder), quote(path.Join(at.Root, "jobs")),
		quote(strings.Join(dirs, " ")), quote(array), quote(after), quote(at.Program), quote(b.comment), quote(d.account()))
	lines, err := d.ask(ctx, what, head+strings.Replace(submitScript, "@SCRIPT@", text, 1))
	if err != nil {
		return nil, err
	}
	return d.submitted(what, lines, len(jobs))
}

// account is the name of the variable that names the account to be charged, unless the options do.
func (d *Driver) account() string {
	if slices.ContainsFunc(d.b.Options, func(o string) bool { return strings.Contains(o, "-A") || strings.Contains(o, "--account") }) {
		return ""
	}
	return "SBATCH_ACCOUNT"
}

// submitted reads the answer of submitScript.
func (d *Driver) submitted(what string, lines []string, n int) ([]string, error) {
	handles := make([]string, n)
	for i, line := range lines {
		if how, ok := strings.CutPrefix(line, "fail|"); ok {
			return nil, d.failed(what, how, strings.Join(lines[i+1:], "\n"))
		}
		var at int
		var handle string
		if _, err := fmt.Sscanf(line, "job %d %s", &at, &handle); err == nil && at >= 0 && at < n && isHandle(handle) {
			handles[at] = handle
		}
	}
	if slices.Contains(handles, "") {
		return nil, fault.New(fault.Integrity, "cannot understand what sbatch says on %s: %.200q", d.place(), strings.Join(lines, "\n"))
	}
	return handles, nil
}

func (d *Driver) failed(what, how, said string) error {
	switch how {
	case "folder", "link":
		return fault.New(fault.Denied, "cannot %s: its folder below %s on %s cannot be written: %s", what, d.host.Dir, d.place(), firstWords(said)).
			Hint("edit mlx.yaml   # dir: of the backend names a folder on a disk that all nodes share")
	case "locked":
		return fault.New(fault.Unavailable, "cannot %s: another submit of it has not ended", what)
	case "never":
		reason := firstWords(said)
		return fault.New(fault.Usage, "cannot %s: it would never start: %s", what, explain(reason)).Hint("%s   # what the cluster has", d.by(`sinfo -o "%P %l %D %c %m %G"`))
	}
	return d.trouble(what, said)
}

// refusal is the error for a request that Slurm does not accept, in its words.
func (d *Driver) refusal(what, words string) error {
	low := strings.ToLower(words)
	has := func(signs ...string) bool {
		return slices.ContainsFunc(signs, func(s string) bool { return strings.Contains(low, s) })
	}
	err := fault.New(fault.Usage, "cannot %s: Slurm refuses: %s", what, words)
	switch {
	case words == "":
		return fault.New(fault.Unavailable, "cannot %s: Slurm on %s does not say why", what, d.place()).Hint("%s   # their controller", d.by("scontrol ping"))
	case has("account", "qos", "association"):
		return err.Hint("%s   # what you may use", d.by("sacctmgr show assoc user=$USER format=account,partition,qos")).
			Hint("edit mlx.yaml   # options: [--account=…, --qos=…] of the backend")
	case has("limit", "time"):
		return err.Hint("%s   # limits of the partitions", d.by(`sinfo -o "%P %l"`))
	case has("partition"):
		return err.Hint("%s   # the partitions; queue: of the backend names one", d.by("sinfo -s"))
	case has("permission", "access denied"):
		return fault.New(fault.Denied, "cannot %s: Slurm refuses: %s", what, words)
	}
	return err.Hint("%s   # what the cluster has", d.by(`sinfo -o "%P %l %D %c %m %G"`))
}
