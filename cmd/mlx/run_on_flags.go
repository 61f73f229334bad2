package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/train"
)

// onFlags are the flags of a run on another machine, as typed.
type onFlags struct {
	backend                    string
	gpus, cpus, nodes, ranks   int
	gpuType, memory, limit     string
	spot                       bool
	image, queue, resume, cost string
	retries                    int
	secrets                    []string
	detach, dryRun             bool

	typed []string // names of those that were given
}

// onAsk is what is asked of a backend for one run. Zero leaves it to the backend.
type onAsk struct {
	Backend   string
	Resources train.Resources
	Spot      bool
	Image     string
	Queue     string
	Retries   int
	RetryOn   []int      // exit statuses that are worth another attempt; empty is every one but 0
	Secrets   []string   // names of variables of the environment
	MaxCost   repo.Money // zero is no limit
	Resume    string     // reference of a run whose checkpoint is where it begins
	Detach    bool

	Links       *onLinks                    // that begin to connect before the rest is planned; nil: when they are needed
	Tree        object.Digest               // version of the work tree that was saved for another run, with the code of the record; zero: it is saved
	MetricFiles []string                    // outputs that are files of metrics
	Versions    []object.Digest             // that the node has to have beside what is laid out there
	Planned     func(context.Context) error // asked once all that travels is kept, and before anything of it does; may be nil
	Seat        *train.Turn                 // with the jobs that are submitted together with it; nil for none
	Apart       bool                        // outputs stay in the store: they are not put in their places
	Aside       []string                    // paths of the project that do not travel with the work tree
	Stays       bool                        // what the command puts into the store stays where it is, once a remote has it
}

// withOn is the title of these flags in help.
const withOn = "Flags with --on, which runs the command on another machine"

// add defines the flags.
func (o *onFlags) add(a *app, cmd *cobra.Command) {
	flags := cmd.Flags()
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	own.SortFlags = false
	own.StringVar(&o.backend, "on", "", "run on `BACKEND` of mlx.yaml; local is this machine, as a job of its own")
	own.IntVar(&o.nodes, "nodes", 0, "`N` machines, all of which run the command")
	own.IntVar(&o.ranks, "ranks", 0, "`N` processes on each of them")
	own.IntVar(&o.gpus, "gpus", 0, "`N` GPUs on each")
	own.StringVar(&o.gpuType, "gpu-type", "", "`TYPE` of GPU, as the backend calls it")
	own.IntVar(&o.cpus, "cpus", 0, "`N` processors on each")
	own.StringVar(&o.memory, "memory", "", "`SIZE` of memory on each: 32GiB")
	own.StringVar(&o.limit, "time", "", "the backend ends it after `TIME`: 90m, 2h")
	own.BoolVar(&o.spot, "spot", false, "on a machine that may be taken away")
	own.StringVar(&o.image, "image", "", "in the container `IMAGE`")
	own.StringVar(&o.queue, "queue", "", "in `QUEUE`: a partition, a local queue")
	own.IntVar(&o.retries, "retries", 0, "try again up to `N` times when it failed, or lost its machine")
	own.StringVar(&o.resume, "resume", "", "begin with the checkpoint of `RUN`")
	own.StringArrayVar(&o.secrets, "secret", nil, "give the variable `NAME` of your environment to the command, and write it nowhere")
	own.StringVar(&o.cost, "max-cost", "", "stop it when it has cost `AMOUNT`: '20 EUR'")
	own.BoolVar(&o.detach, "detach", false, "do not wait for its end: mlx job attach does")
	own.BoolVar(&o.dryRun, "dry-run", false, "print what would be sent, and the script or object of the job; send nothing")
	own.VisitAll(func(f *pflag.Flag) {
		f.Annotations = map[string][]string{flagGroup: {withOn}}
		flags.AddFlag(f)
	})
	completeFlag(cmd, "on", a.completeBackends)
	completeFlag(cmd, "resume", a.completeJobs)
}

// note remembers which of the flags were given.
func (o *onFlags) note(flags *pflag.FlagSet) {
	o.typed = nil
	flags.Visit(func(f *pflag.Flag) {
		if words := f.Annotations[flagGroup]; len(words) > 0 && words[0] == withOn && f.Name != "on" {
			o.typed = append(o.typed, f.Name)
		}
	})
}

// ask reads them. false: the run is one of this machine.
func (o onFlags) ask() (ask onAsk, remote bool, err error) {
	if o.backend == "" {
		if len(o.typed) > 0 {
			return ask, false, fault.New(fault.Usage, "--%s is for a run on another machine, and --on is missing", o.typed[0]).
				Hint("mlx run --on BACKEND --%s …   # mlx backend list shows them", o.typed[0])
		}
		return ask, false, nil
	}
	ask = onAsk{
		Backend: o.backend, Spot: o.spot, Image: o.image, Queue: o.queue, Retries: o.retries, Secrets: o.secrets, Resume: o.resume, Detach: o.detach,
		Resources: train.Resources{Nodes: o.nodes, Ranks: o.ranks, GPUs: o.gpus, GPUType: o.gpuType, CPUs: o.cpus},
	}
	if o.memory != "" {
		if ask.Resources.Memory, err = cli.ParseSize(o.memory); err != nil {
			return ask, true, err
		}
	}
	if o.limit != "" {
		if ask.Resources.Time, err = cli.ParseDuration(o.limit); err != nil {
			return ask, true, err
		}
	}
	if o.cost != "" {
		if ask.MaxCost, err = repo.ParseMoney(o.cost); err != nil {
			return ask, true, err
		}
		if ask.MaxCost.Amount <= 0 { // what is left of a budget may be nothing
			return ask, true, fault.New(fault.Usage, "cannot run for %s: nothing may be spent", money(ask.MaxCost.Amount, ask.MaxCost.Currency))
		}
	}
	if o.retries < 0 {
		return ask, true, fault.New(fault.Usage, "cannot try again %d times", o.retries)
	}
	if o.detach && o.dryRun {
		return ask, true, fault.New(fault.Usage, "--dry-run and --detach exclude each other")
	}
	return ask, true, ask.Resources.Check()
}

// secretValues are the variables of these names, NAME=VALUE. One that is not set is an error: the command would fail later, and far away.
func (a *app) secretValues(names []string) (map[string]string, error) {
	all := make(map[string]string, len(names))
	for _, name := range names {
		value, there := "", false
		for _, v := range a.environ {
			if n, rest, ok := strings.Cut(v, "="); ok && n == name {
				value, there = rest, true
			}
		}
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			return nil, fault.New(fault.Usage, "cannot give the secret %q: it is no name of a variable", name).Hint("--secret takes a name; its value comes from your environment")
		case !there:
			return nil, fault.New(fault.Usage, "cannot give the secret %s: no variable of this name is set here", name).Hint("export %s=…   # or read -rs %s; export %s", name, name, name)
		case strings.ContainsRune(value, 0):
			return nil, fault.New(fault.Usage, "cannot give the secret %s: it holds a zero byte", name)
		}
		all[name] = value
	}
	return all, nil
}

// shorterOf is the time limit of a run that may cost no more than what was asked for: the shorter of the two.
func shorterOf(asked, affords time.Duration) time.Duration {
	if affords > 0 && (asked == 0 || affords < asked) {
		return affords
	}
	return asked
}
