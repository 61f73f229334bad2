package run

import (
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// statement is an in-toto Statement v1 with a SLSA provenance v1 in it.
type statement struct {
	Type          string       `json:"_type"`
	Subject       []descriptor `json:"subject"`
	PredicateType string       `json:"predicateType"`
	Predicate     provenance   `json:"predicate"`
}

type provenance struct {
	BuildDefinition buildDefinition `json:"buildDefinition"`
	RunDetails      runDetails      `json:"runDetails"`
}

type buildDefinition struct {
	BuildType            string         `json:"buildType"`
	ExternalParameters   map[string]any `json:"externalParameters"`
	InternalParameters   map[string]any `json:"internalParameters"`
	ResolvedDependencies []descriptor   `json:"resolvedDependencies"`
}

type runDetails struct {
	Builder    map[string]string `json:"builder"`
	Metadata   map[string]string `json:"metadata"`
	Byproducts []descriptor      `json:"byproducts"`
}

// descriptor is a ResourceDescriptor of in-toto.
type descriptor struct {
	Name        string            `json:"name,omitempty"`
	URI         string            `json:"uri,omitempty"`
	Digest      map[string]string `json:"digest,omitempty"`
	MediaType   string            `json:"mediaType,omitempty"`
	Annotations map[string]any    `json:"annotations,omitempty"`
}

// SLSA writes the run as SLSA provenance v1 in an in-toto Statement v1. Its subjects are the files that the run wrote,
// each with its SHA-256; a run that wrote none has nothing that provenance could be about. A run that failed and wrote
// something has provenance as well: the byproduct "outcome" says how it ended.
func (a Account) SLSA() ([]byte, error) {
	if err := a.finished("slsa"); err != nil {
		return nil, err
	}
	subjects := a.subjects()
	if len(subjects) == 0 {
		return nil, fault.New(fault.Usage, "cannot export run %s as slsa: it wrote no file that a statement could be about", a.RunID.Short()).
			Hint("mlx run -o FILE …   # declares what a command writes")
	}
	return pretty(statement{
		Type: "https://in-toto.io/Statement/v1", Subject: subjects,
		PredicateType: "https://slsa.dev/provenance/v1",
		Predicate: provenance{
			BuildDefinition: buildDefinition{
				BuildType: uriRecipe, ExternalParameters: a.external(), InternalParameters: a.internal(),
				ResolvedDependencies: a.dependencies(),
			},
			RunDetails: runDetails{
				Builder: map[string]string{"id": uriHere}, Metadata: a.metadata(), Byproducts: a.byproducts(),
			},
		},
	})
}

func (a Account) subjects() []descriptor {
	all := []descriptor{}
	for _, o := range a.Body.Outputs {
		if o.Kind == "file" {
			all = append(all, descriptor{Name: o.Path, Digest: map[string]string{digestFile: o.Digest.Hex()}})
			continue
		}
		for _, f := range a.Folders[o.Path] {
			all = append(all, descriptor{Name: f.Path, Digest: map[string]string{digestFile: f.Digest.Hex()}})
		}
	}
	return all
}

// external is what whoever started the run decided.
func (a Account) external() map[string]any {
	env := map[string]string{}
	if a.Environment != nil && a.Environment.Variables != nil {
		env = a.Environment.Variables
	}
	all := map[string]any{"command": a.Command, "folder": a.Folder, "params": a.Params, "env": env}
	if a.Stage != nil {
		all["stage"] = a.Stage.Name
	}
	return all
}

// internal is what the machine decided.
func (a Account) internal() map[string]any {
	all := map[string]any{"by": a.By, "attempt": a.Attempt, "machine": a.Machine}
	if a.TimeoutS != nil {
		all["timeout_s"] = *a.TimeoutS
	}
	if e := a.Environment; e != nil {
		if len(e.GPUs) > 0 {
			all["gpus"] = e.GPUs
		}
		if len(e.Seeds) > 0 {
			all["seeds"] = e.Seeds
		}
	}
	return all
}

func (a Account) metadata() map[string]string {
	m := map[string]string{"invocationId": a.ID}
	if a.StartedAt != nil {
		m["startedOn"] = rfc3339(*a.StartedAt)
	}
	if a.EndedAt != nil {
		m["finishedOn"] = rfc3339(*a.EndedAt)
	}
	return m
}

// dependencies is everything that took part and is known by its digest, or at least by its name.
func (a Account) dependencies() []descriptor {
	all := a.sources()
	known := make(map[string]bool)
	for _, d := range a.Body.Data {
		known[d.Path] = true
		all = append(all, descriptor{Name: d.Path, URI: uriSnapshot + d.Root.Hex(), Digest: map[string]string{digestSnapshot: d.Root.Hex()}})
	}
	if a.Stage != nil {
		for _, d := range a.Stage.Deps {
			if !known[d.Path] {
				all = append(all, descriptor{Name: d.Path, Digest: map[string]string{digestContent: d.Digest.Hex()}})
			}
		}
	}
	return append(all, a.surroundings()...)
}

// sources is the code that ran.
func (a Account) sources() []descriptor {
	all := []descriptor{}
	if a.Commit != nil {
		d := descriptor{Name: "code", Digest: map[string]string{"gitCommit": *a.Commit}, Annotations: map[string]any{"dirty": a.Dirty}}
		if u, ok := GitURL(a.Body.Code.Remote); ok {
			d.URI = "git+" + u
		}
		if a.Branch != nil {
			d.Annotations["branch"] = *a.Branch
		}
		all = append(all, d)
	}
	for _, kept := range []struct {
		name string
		root *string
	}{{"uncommitted changes", a.Patch}, {"untracked files", a.Files}} {
		if kept.root != nil {
			all = append(all, descriptor{Name: kept.name, URI: uriSnapshot + *kept.root, Digest: map[string]string{digestSnapshot: *kept.root}})
		}
	}
	return all
}

// surroundings is what was installed around the command.
func (a Account) surroundings() []descriptor {
	var all []descriptor
	e := a.Environment
	if e == nil {
		return nil
	}
	if p := e.Python; p != nil {
		all = append(all, descriptor{
			Name: "packages of Python", URI: uriSnapshot + p.List.Hex(), Digest: map[string]string{digestFile: p.Lock.Hex()},
			Annotations: map[string]any{"python": p.Version, "manager": p.Manager, "packages": p.Packages},
		})
	}
	for _, l := range e.Locks {
		all = append(all, descriptor{Name: l.Path, Digest: map[string]string{digestFile: l.Digest.Hex()}})
	}
	if c := e.Container; c != nil {
		d := descriptor{Name: "container", Annotations: map[string]any{"runtime": c.Runtime}}
		if c.Image != "" {
			d.URI = "oci://" + c.Image
		}
		if _, hex, ok := strings.Cut(c.Image, "@sha256:"); ok && isHex(hex, 64) {
			d.Digest = map[string]string{digestFile: hex}
		}
		if c.ID != "" {
			d.Annotations["id"] = c.ID
		}
		all = append(all, d)
	}
	return all
}

func isHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// byproducts is what the run left besides its outputs: how it ended, its metrics, its log and its series.
func (a Account) byproducts() []descriptor {
	outcome := map[string]any{"state": a.State, "metrics": numbersOf(a.Metrics)}
	if a.ExitStatus != nil {
		outcome["exit_status"] = *a.ExitStatus
	}
	if a.Signal != nil {
		outcome["signal"] = *a.Signal
	}
	if a.Cause != nil {
		outcome["cause"] = *a.Cause
	}
	all := []descriptor{{Name: "outcome", URI: uriRun + a.ID, Annotations: outcome}}
	if l := a.Log; l != nil {
		d := descriptor{Name: "log", URI: uriSnapshot + l.Root.Hex(), MediaType: "text/plain", Digest: map[string]string{digestFile: l.Digest.Hex()}}
		if l.Cut > 0 {
			d.Annotations = map[string]any{"cut_bytes": strconv.FormatInt(l.Cut, 10)}
		}
		all = append(all, d)
	}
	if s := a.Series; s != nil {
		all = append(all, descriptor{Name: "series", URI: uriSnapshot + s.Root.Hex(), Digest: map[string]string{digestFile: s.Digest.Hex()}})
	}
	return all
}
