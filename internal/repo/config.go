package repo

import (
	"errors"
	"io/fs"
	"path/filepath"

	"mlx/internal/fault"
)

// maxConfig bounds mlx.yaml before anything is allocated for it.
const maxConfig = 1 << 20

// Config is mlx.yaml. The tags: yaml the key, need a key that must be there, enum the words allowed, group the heading
// of the key in a hint, doc the description in the JSON Schema. At is where the entry stands in the file.
type Config struct {
	Ledger        string            `yaml:"ledger" doc:"Written by mlx init; says which clones share history."`
	TrustedKeys   []string          `yaml:"trusted_keys" doc:"Files of public keys whose signatures count."`
	DefaultRemote string            `yaml:"default_remote" doc:"Remote used where none is named."`
	Remotes       Map[Remote]       `yaml:"remotes" doc:"Where data and records are shared."`
	Runs          Runs              `yaml:"runs" doc:"What happens around every run."`
	Backends      Map[Backend]      `yaml:"backends" doc:"Machines that runs can use."`
	Vars          Free              `yaml:"vars" doc:"Variables of all stages: values, or a list of files and values."`
	Stages        Map[Stage]        `yaml:"stages" doc:"Steps of the pipeline."`
	Samples       Map[Sample]       `yaml:"samples" doc:"What stands in for an input of the pipeline in mlx repro --sample, by its path."`
	Tables        Map[TableMeaning] `yaml:"tables" doc:"What the columns of a table mean, by its path or a pattern of paths."`
	Gates         Map[Gate]         `yaml:"gates" doc:"Checks that data, a run or a model must pass."`
	Monitors      Map[Monitor]      `yaml:"monitors" doc:"Watches over data in use."`
	Services      Map[Service]      `yaml:"services" doc:"Models that answer requests."`
	Environments  Map[Map[Scalar]]  `yaml:"environments" doc:"Values, by dotted path, that differ in an environment; only values declared above."`
	Policy        Map[[]Need]       `yaml:"policy" doc:"What a move to a stage needs; refused without it."`

	in map[string]*Config `yaml:"-"` // as it is in each environment that changes something
}

// Remote is a place that shares data and records.
type Remote struct {
	URL     string   `yaml:"url" doc:"Address: file:///folder, s3://, gs://, azblob:// or, for records only, git:NAME. Never with credentials." need:"true"`
	Region  string   `yaml:"region" doc:"Region of the data; push refuses data tagged with another."`
	Keep    Duration `yaml:"keep" doc:"How long the remote keeps what nothing needs."`
	Encrypt []string `yaml:"encrypt" doc:"Public keys (age1… or ssh-…) of those who can read what is sent; in clear when absent."`

	At fault.Position `yaml:"-"`
}

// Runs says what happens around every run.
type Runs struct {
	Push string   `yaml:"push" doc:"When a run ends: never, or the name of a remote."`
	Env  []string `yaml:"env" doc:"Environment variables recorded beside the built-in list."`

	MLflow string `yaml:"mlflow" enum:"record capture none" doc:"What a command tracks with MLflow: recorded here; the same whatever URI it asks for; or left alone."`
}

// Stage is a step of the pipeline. Its texts may hold variables: Pipeline puts them in.
type Stage struct {
	Cmd      Lines     `yaml:"cmd" doc:"Command to run, or several that run one after the other." need:"true"`
	Dir      Text      `yaml:"dir" doc:"Folder in which it runs; the root when absent. Paths start at the root all the same."`
	Deps     []Text    `yaml:"deps" doc:"Files and folders that the command reads."`
	Outs     []Text    `yaml:"outs" doc:"Files and folders that the command writes."`
	Params   []Text    `yaml:"params" doc:"Parameters: file:key, file:key,key, a whole file, or a key of params.yaml."`
	Metrics  []Text    `yaml:"metrics" doc:"JSON or YAML files of metrics that the command writes."`
	Env      Map[Text] `yaml:"env" doc:"Variables of the environment."`
	Matrix   Free      `yaml:"matrix" doc:"Names with lists of values: a stage for each combination."`
	Foreach  Free      `yaml:"foreach" doc:"A list, or names with values: a stage for each."`
	On       string    `yaml:"on" doc:"Backend that runs it; this machine when absent."`
	Needs    Resources `yaml:"resources" doc:"What it needs of the backend, beside what the backend gives by itself."`
	Retries  int       `yaml:"retries" doc:"How often a failed attempt is tried again."`
	Timeout  Duration  `yaml:"timeout" doc:"Longest time of one attempt."`
	Always   bool      `yaml:"always" doc:"It runs every time, whether something changed or not."`
	Register Map[Text] `yaml:"register" doc:"Model name to output: success makes the next version."`

	At fault.Position `yaml:"-"`
}

// Need is one condition of a move to a stage. It has exactly one subject: Gate, Scan or SignOff.
type Need struct {
	Gate    string   `yaml:"gate" group:"Subjects" doc:"A gate that passed."`
	Scan    string   `yaml:"scan" group:"Subjects" enum:"clean" doc:"Result of mlx model scan."`
	SignOff string   `yaml:"sign_off" group:"Subjects" doc:"Kind of sign-off."`
	By      string   `yaml:"by" group:"Options" doc:"Who must have signed."`
	MaxAge  Duration `yaml:"max_age" group:"Options" doc:"Older evidence does not count."`

	At fault.Position `yaml:"-"`
}

// Config reads mlx.yaml: strictly, so that a misspelt word is an error at its line and column.
func (r *Repo) Config() (*Config, error) {
	text, err := readSmall(filepath.Join(r.Root, ConfigName), maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "cannot read %s: %w", ConfigName, err).Hint("mlx init")
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", ConfigName, err)
	}
	return ParseConfig(text)
}
