package slurm

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/train"
)

// statusScript tells of the jobs that stand after it, one "HEX HANDLE" a line, the handle "-" where it is not known. A job
// with a result has ended, whatever Slurm says; for the others it asks the controller once, and then looks for results again.
//
//	r|HEX|HANDLE            there is a result
//	h|HEX|HANDLE            what Slurm calls it
//	t|HEX                   a submit has begun, and it is not known what Slurm calls it
//	q|squeue's fields       of a job
//	s|text                  of scontrol, for few jobs that have begun
//	a|sacct's fields        of jobs that the controller has forgotten
//	now|time
//	fail|                   squeue's words follow
const statusScript = `
first=$(while read -r hex id; do
  dir=$jobs/$hex
  [ "$id" != - ] || id=
  if [ -s "$dir/slurm_id" ] && read -r noted 2>/dev/null <"$dir/slurm_id" && [ -n "$noted" ]; then id=$noted; fi # it may have been handed over again
  if [ -e "$dir/result.json" ]; then echo "r|$hex|$id"; continue; fi
  echo "h|$hex|$id"
  [ -n "$id" ] || ! [ -e "$dir/slurm_try" ] || echo "t|$hex"
done <<'MLX-JOBS'
@JOBS@MLX-JOBS
)
printf '%s\n' "$first"
list=$(printf '%s\n' "$first" | awk -F '|' '$1 == "h" && $3 != "" {printf "%s%s", c, $3; c = ","}')
words=
if [ -n "$list" ]; then
  date '+now|%Y-%m-%dT%H:%M:%S'
  words=$(squeue -h -r -t all -j "$list" -o 'q|%i|%T|%e|%N|%M|%r' 2>&1)
  if [ $? != 0 ]; then
    case $words in *"Invalid job id"*) words= ;; *) echo "fail|"; printf '%s\n' "$words"; exit 0 ;; esac
  fi
  printf '%s\n' "$words"
  forgotten=$(printf '%s\n' "$words" "$first" | awk -F '|' '$1 == "q" {k[$2]} $1 == "h" && $3 != "" && !($3 in k) {printf "%s%s", c, $3; c = ","}')
  if [ -n "$forgotten" ]; then
    sacct -n -X -P -j "$forgotten" -o JobID,State,ExitCode,NodeList 2>/dev/null </dev/null | sed 's/^/a|/'
  fi
  case $list in *,*,*,*,*,*,*,*,*) ;; *) # few enough to be asked for one by one
    for id in $(printf '%s\n' "$words" | awk -F '|' '$1 == "q" && $3 != "PENDING" {print $2}'); do
      scontrol -o show job "$id" 2>/dev/null </dev/null | sed 's/^/s|/'
    done ;;
  esac
fi
for hex in $(printf '%s\n' "$words" "$first" | awk -F '|' '$1 == "q" {k[$2] = $3} $1 == "h" && k[$3] !~ /^(PENDING|RUNNING|SUSPENDED|CONFIGURING)$/ {print $2}'); do
  ls "$jobs/$hex" >/dev/null 2>&1 # a shared disk looks anew
  if [ -e "$jobs/$hex/result.json" ]; then echo "r|$hex|"; fi
done
`

// most is how many jobs one command line of squeue may name.
const most = 4000

// Status tells of jobs with one round trip to the login node and one request to the controller.
func (d *Driver) Status(ctx context.Context, jobs []train.Ref) ([]train.Status, error) {
	var all []train.Status
	for part := range slices.Chunk(jobs, most) {
		some, err := d.statusOf(ctx, part)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func (d *Driver) statusOf(ctx context.Context, jobs []train.Ref) ([]train.Status, error) {
	var text strings.Builder
	for _, j := range jobs {
		handle := "-"
		if isHandle(j.Handle) {
			handle = j.Handle
		}
		fmt.Fprintf(&text, "%s %s\n", j.ID.Hex(), handle)
	}
	script := d.jobs() + strings.Replace(statusScript, "@JOBS@", text.String(), 1)
	lines, err := d.ask(ctx, "ask for jobs", script)
	if err != nil {
		return nil, err
	}
	told, err := d.told(lines)
	if err != nil {
		return nil, err
	}
	all := make([]train.Status, len(jobs))
	for i, j := range jobs {
		all[i] = told.status(j)
	}
	return all, nil
}

// told is what statusScript told.
type told struct {
	now     string
	results map[string]bool   // by the hex of a job
	handles map[string]string // by the hex of a job
	tried   map[string]bool   // by the hex of a job: a submit has begun
	jobs    map[string]seen   // by handle
}

// seen is what Slurm knows of a job.
type seen struct {
	state, ended, node, reason string
	ran                        string // D-HH:MM:SS, or the end of that
	exit                       string // STATUS:SIGNAL
	starts                     int
	past                       bool // only the accounting knows it
}

func (d *Driver) told(lines []string) (told, error) {
	t := told{results: map[string]bool{}, handles: map[string]string{}, tried: map[string]bool{}, jobs: map[string]seen{}}
	for i, line := range lines {
		kind, rest, _ := strings.Cut(line, "|")
		switch kind {
		case "fail":
			return t, d.trouble("ask for jobs", strings.Join(lines[i+1:], "\n"))
		case "now":
			t.now = rest
		case "r", "h":
			hex, handle, _ := strings.Cut(rest, "|")
			t.results[hex] = t.results[hex] || kind == "r"
			if isHandle(handle) {
				t.handles[hex] = handle
			}
		case "t":
			t.tried[rest] = true
		case "q":
			if f := strings.SplitN(rest, "|", 6); len(f) == 6 {
				t.jobs[f[0]] = seen{state: f[1], ended: f[2], node: f[3], ran: f[4], reason: f[5]}
			}
		case "a":
			if f := strings.SplitN(rest, "|", 4); len(f) == 4 {
				t.jobs[f[0]] = seen{state: f[1], exit: f[2], node: f[3], past: true}
			}
		case "s":
			t.detail(rest)
		}
	}
	return t, nil
}

// detail adds what scontrol says of a job: "JobId=12 ArrayJobId=11 ArrayTaskId=3 … ExitCode=0:9".
func (t *told) detail(line string) {
	fields := map[string]string{}
	for word := range strings.FieldsSeq(line) {
		name, value, ok := strings.Cut(word, "=")
		if _, twice := fields[name]; ok && !twice {
			fields[name] = value
		}
	}
	handle := fields["JobId"]
	if fields["ArrayTaskId"] != "" {
		handle = fields["ArrayJobId"] + "_" + fields["ArrayTaskId"]
	}
	s, ok := t.jobs[handle]
	if !ok {
		return
	}
	s.exit = fields["ExitCode"]
	if n, err := strconv.Atoi(fields["Restarts"]); err == nil && n >= 0 && n < 1<<20 && s.node != "" {
		s.starts = n + 1
	}
	t.jobs[handle] = s
}

// status is what is so of a job.
func (t *told) status(j train.Ref) train.Status {
	hex := j.ID.Hex()
	if handle := t.handles[hex]; handle != "" {
		j.Handle = handle
	}
	s, known := t.jobs[j.Handle]
	st := train.Status{Ref: j, Node: s.node, Starts: s.starts}
	switch {
	case t.results[hex]:
		st.State = train.Done
	case j.Handle == "" && t.tried[hex]:
		st.State, st.Reason = train.Unknown, "its submit has not been answered"
	case j.Handle == "":
		st.State, st.Cause, st.Reason = train.Gone, train.CauseMissing, "it was not submitted, or its folder on the login node is gone"
	case !known:
		st.State, st.Cause, st.Reason = train.Gone, train.CauseMissing, "Slurm does not know job "+j.Handle+" any more, and it left no result"
	default:
		judge(&st, s, t.now)
	}
	if st.State == train.Running {
		st.Ran = elapsed(s.ran)
	}
	return st
}

// elapsed reads how long a job has been running, as squeue writes it: 3-04:05:06, 04:05:06 or 05:06. 0 is not known.
func elapsed(text string) time.Duration {
	days, clock, ok := strings.Cut(text, "-")
	if !ok {
		days, clock = "0", text
	}
	n, err := strconv.ParseUint(days, 10, 16)
	sum := 24 * time.Hour * time.Duration(n)
	unit := time.Second
	parts := strings.Split(clock, ":")
	if err != nil || len(parts) > 3 {
		return 0
	}
	for _, part := range slices.Backward(parts) {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return 0
		}
		sum += time.Duration(n) * unit
		unit *= 60
	}
	return sum
}
