// Package export hides how other systems want a pipeline to be written: the syntax of each, the names that it allows, and
// how text that a user chose is kept from being taken for anything else there. It is pure: stages in, text out, and the
// same stages give the same bytes.
package export

import (
	"regexp"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/pipeline"
)

// Site is what is known of the place that a pipeline is written for.
type Site struct {
	Name     string   // of the project
	Root     string   // folder of mlx.yaml on this machine, absolute
	Folder   string   // the same below the root of the git repository, with slashes; "." for the root itself
	GitURL   string   // what git fetches from, without credentials; may be empty
	PushGit  bool     // records travel on a reference of git, so jobs write there
	Secrets  []string // names of the variables that give access to the remotes; never their values
	Issues   bool     // jobs open issues on GitHub
	Schedule string   // five fields of cron
	Image    string   // container image with git, mlx and what the stages need
}

// File is one file of an export.
type File struct {
	Name string `json:"name"` // what it is usually called
	Text string `json:"text"`
}

// PipelineForms are what a whole pipeline can be written as.
func PipelineForms() []string { return []string{"github", "gitlab", "argo", "airflow"} }

// TaskForms are what a task can be written as.
func TaskForms() []string { return []string{"crontab", "systemd", "github", "cronjob"} }

// node is a stage as a node of another system's graph.
type node struct {
	pipeline.Stage
	id    string
	needs []string // ids, in the order of the stages
}

// command is what a node runs. Each node may find an empty clone: --pull brings back what the nodes before it made, from
// the runs that they pushed, and --only executes nothing in their place.
func (n node) command() string { return repro(n.Stage.Name, "--only", "--pull") }

// Pipeline writes the stages as a graph that runs `mlx repro STAGE --only` in each node.
func Pipeline(form string, stages []pipeline.Stage, site Site) ([]File, error) {
	if len(stages) == 0 {
		return nil, fault.New(fault.NotFound, "cannot export the pipeline: it has no stages").Hint("mlx show mlx.yaml   # has none below stages:")
	}
	if err := site.check(); err != nil {
		return nil, err
	}
	write := map[string]func([]node, Site) []File{"github": github, "gitlab": gitlab, "argo": argo, "airflow": airflow}[form]
	if write == nil {
		return nil, fault.New(fault.Usage, "cannot export the pipeline as %q", form).Hint("one of: %s", strings.Join(PipelineForms(), " "))
	}
	edges, err := edgesOf(stages)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(stages))
	for i, s := range stages {
		if names[i] = s.Name; strings.Contains(s.Name, "\x00") {
			return nil, noWord("stage", s.Name)
		}
	}
	ids := identifiers(names)
	nodes := make([]node, len(stages))
	for i, s := range stages {
		nodes[i] = node{Stage: s, id: ids[i]}
		for _, j := range edges[i] {
			nodes[i].needs = append(nodes[i].needs, ids[j])
		}
	}
	return write(nodes, site), nil
}

// Scheduled writes what runs a task at the times of site.Schedule.
func Scheduled(form string, t Task, site Site) ([]File, error) {
	if err := site.check(); err != nil {
		return nil, err
	}
	write := map[string]func(Task, Site, cron) ([]File, error){
		"crontab": crontab, "systemd": systemd, "github": githubScheduled, "cronjob": cronJob,
	}[form]
	if write == nil {
		return nil, fault.New(fault.Usage, "cannot export a %s as %q", t.kind, form).Hint("one of: %s", strings.Join(TaskForms(), " "))
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	when, err := parseCron(site.Schedule)
	if err != nil {
		return nil, err
	}
	return write(t, site, when)
}

// noWord is the error for a name that no command line can hold.
func noWord(kind, name string) error {
	return fault.New(fault.Usage, "cannot export %s %q: its name has a NUL byte in it", kind, name)
}

// check refuses names of variables that would be anything else in the target.
func (s Site) check() error {
	good := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,200}$`)
	for _, name := range s.Secrets {
		if !good.MatchString(name) || strings.HasPrefix(name, "GITHUB_") {
			return fault.New(fault.Usage, "cannot export with the secret %q: it is no name of a variable", name).
				Hint("mlx export … --secret AWS_ACCESS_KEY_ID   # the name alone")
		}
	}
	if i := slices.IndexFunc([]byte(s.Image), func(c byte) bool { return c <= ' ' || c > '~' }); i >= 0 {
		return fault.New(fault.Usage, "cannot export with the image %q: it is no name of an image", s.Image)
	}
	return nil
}

// heading is the comment that begins every file, after the given sign.
func heading(sign, command string, lines ...string) string {
	source := "the pipeline"
	if strings.Contains(command, " monitor:") {
		source = "the monitor in mlx.yaml"
	}
	if strings.Contains(command, " service:") {
		source = "the service in mlx.yaml"
	}
	text := sign + " Written by: mlx export " + command + ". Change " + source + " and write it again.\n"
	for _, l := range lines {
		text += strings.TrimRight(sign+" "+l, " ") + "\n"
	}
	return text
}

// installing is what every heading says of the program itself.
func installing() []string {
	return []string{"MLX_INSTALL, a variable of the project, is a shell command that puts mlx on the PATH; leave it empty where it is there.",
		"Each job exchanges data and records with the default remote of mlx.yaml; mlx trust allows what mlx.yaml says on the default branch."}
}
