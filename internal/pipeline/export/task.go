package export

import (
	"strings"

	"mlx/internal/fault"
)

// Task is a command of mlx that runs at given times.
type Task struct {
	kind  string // of what it is about, as in a reference
	name  string
	words []string // of mlx
	zone  string   // in which the schedule is meant; empty: that of the machine
	pulls bool     // the command takes --pull
}

// StageTask brings a stage, and what it needs, up to date.
func StageTask(name string) Task {
	return Task{kind: "stage", name: name, words: []string{"repro"}, pulls: true}
}

// MonitorTask checks a monitor; zone is the name of the time zone of its schedule, empty for that of the machine.
func MonitorTask(name, zone string) Task {
	return Task{kind: "monitor", name: name, words: []string{"drift", "check"}, zone: zone}
}

// ref is how the task's subject is typed.
func (t Task) ref() string { return t.kind + ":" + t.name }

// title names the task for people.
func (t Task) title() string {
	return strings.Join(append(append([]string{"mlx"}, t.words...), t.name), " ")
}

// id names the task where only letters, digits and hyphens are allowed.
func (t Task) id() string {
	name := t.name
	if t.kind != "stage" {
		name = "drift-" + name
	}
	return identifiers([]string{name})[0]
}

// command is a line for a shell.
func (t Task) command(flags ...string) string { return commandLine(t.words, t.name, flags) }

// away are the commands of a clone that exchanges data and records with a remote, each a line. What a check has found is pushed whatever it
// was: its status is that of the whole.
func (t Task) away() []string {
	if t.pulls {
		return []string{"mlx pull", t.command("--pull"), "mlx push"}
	}
	return []string{"mlx pull", "status=0", t.command("-q") + " || status=$?", "mlx push", "exit $status"}
}

// check refuses what no command line, or no file of a form, can hold.
func (t Task) check() error {
	if strings.Contains(t.name, "\x00") {
		return noWord(t.kind, t.name)
	}
	if strings.Trim(t.zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_+-") != "" {
		return fault.New(fault.Usage, "cannot export %s: %q is no name of a time zone", t.ref(), t.zone)
	}
	return nil
}
