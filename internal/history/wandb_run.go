package history

import (
	"context"
	"encoding/json"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// run reads the run of a folder: first what was written at its end, then what its log says, which is more.
func (s *wandbStore) run(ctx context.Context, ref Ref) (*Run, error) {
	f := s.runs[ref.at]
	g := &wandbGathered{config: document{}, summary: document{}, tags: map[string]string{"wandb.id": f.id}, run: &Run{ID: ref.ID, State: Lost,
		Cause: "W&B never heard of its end"}}
	if date, _ := folderDate(filepath.Base(f.dir)); date.UnixMilli() > 0 {
		g.run.Started = date
	}
	g.files(filepath.Join(f.dir, "files"), s.h)
	if f.log != "" {
		if err := g.log(ctx, f.log); err != nil {
			return nil, unreadable(f.log, err)
		}
	}
	return g.finish(s.h, f.log), nil
}

// wandbGathered is what is known of a run so far.
type wandbGathered struct {
	run     *Run
	config  document
	summary document
	tags    map[string]string
	last    float64 // seconds since 1970 of the last values
	runtime int64   // seconds, as its end says
	texts   map[string]string
	args    []string // of the command
}

// files reads config.yaml, wandb-summary.json and wandb-metadata.json.
func (g *wandbGathered) files(dir string, h *History) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		g.run.Artifacts = real
	}
	if output := filepath.Join(dir, "output.log"); isRegular(output) {
		g.run.Output = output
	}
	if meta, err := readYAML(filepath.Join(dir, "config.yaml")); err == nil {
		g.texts = make(map[string]string)
		for key, v := range meta {
			inner, ok := v.(map[string]any)
			if ok && key != "_wandb" && key != "wandb_version" {
				flattenTexts(g.texts, key, inner["value"], 0)
			}
		}
	} else if !absent(err) {
		h.Left.Add("config.yaml", g.run.ID, told(err))
	}
	for name, to := range map[string]func(map[string]any){"wandb-summary.json": func(m map[string]any) {
		maps.Copy(g.summary, m)
	}, "wandb-metadata.json": g.metadata} {
		b, err := readSmall(filepath.Join(dir, name), 16<<20)
		if err == nil {
			if m, ok := jsonValue(b).(map[string]any); ok {
				to(m)
				continue
			}
		}
		if !absent(err) {
			h.Left.Add(name, g.run.ID, "it cannot be read")
		}
	}
}

// flattenTexts joins nested names with dots.
func flattenTexts(into map[string]string, name string, v any, depth int) {
	if m, ok := v.(map[string]any); ok && depth < 32 && len(m) > 0 {
		for key, inner := range m {
			flattenTexts(into, name+"."+key, inner, depth+1)
		}
		return
	}
	if list, ok := v.([]any); ok {
		v = shortJSON(typed(list, 0))
	}
	if v != nil {
		into[name] = textOf(v)
	}
}

// typed gives the values in a list the types that JSON has, as W&B had them.
func typed(v any, depth int) any {
	switch v := v.(type) {
	case []any:
		all := make([]any, len(v))
		for i, inner := range v {
			all[i] = inner
			if depth < 32 {
				all[i] = typed(inner, depth+1)
			}
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(v))
		for key, inner := range v {
			all[key] = inner
			if depth < 32 {
				all[key] = typed(inner, depth+1)
			}
		}
		return all
	case json.Number:
		return v
	case string:
		if v == "true" || v == "false" || json.Valid([]byte(v)) && strings.ContainsAny(v[:1], "-0123456789") {
			return json.RawMessage(v)
		}
	}
	return v
}

func (g *wandbGathered) metadata(m map[string]any) {
	r := g.run
	text := func(key string) string { s, _ := m[key].(string); return s }
	r.Machine.Host, r.Machine.OS, r.User = text("host"), systemOf(text("os")), text("username")
	if n, ok := m["cpu_count"].(json.Number); ok {
		cpus, _ := n.Int64()
		r.Machine.CPUs = int(min(cpus, 1<<20))
	}
	if program := text("program"); program != "" {
		r.Command = []string{program}
		args, _ := m["args"].([]any)
		for _, a := range args {
			r.Command = append(r.Command, textOf(a))
		}
	}
	if at, err := time.Parse(time.RFC3339Nano, strings.TrimSuffix(text("startedAt"), "Z")+"Z"); err == nil {
		r.Started = at
	}
	if git, ok := m["git"].(map[string]any); ok {
		commit, _ := git["commit"].(string)
		remote, _ := git["remote"].(string)
		r.Commit, r.Remote = commitID(commit), withoutCredentials(remote)
	}
}

// systemOf is the system in the name of a platform, Linux-6.1-x86_64-with-glibc2.36.
func systemOf(platform string) string {
	system, _, _ := strings.Cut(platform, "-")
	switch system = strings.ToLower(system); system {
	case "macos":
		return "darwin"
	default:
		return system
	}
}

// log reads all of the log but the history, which comes as points.
func (g *wandbGathered) log(ctx context.Context, file string) error {
	for record, err := range logFile(file) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = fields(record, g.record)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *wandbGathered) record(f field) error {
	switch f.number {
	case recordConfig:
		return items(f.bytes, g.config.set)
	case recordSummary:
		return items(f.bytes, g.summary.set)
	case recordRun:
		return fields(f.bytes, g.told)
	case recordEnvironment:
		g.args = nil
		return fields(f.bytes, g.environment)
	case recordExit:
		g.run.State, g.run.Cause = Succeeded, ""
		code := 0
		err := fields(f.bytes, func(f field) error {
			switch f.number {
			case exitCode:
				code = int(int32(f.value))
			case exitRuntime:
				g.runtime = int64(f.value)
			}
			return nil
		})
		if g.run.ExitStatus = &code; code != 0 {
			g.run.State, g.run.Cause = Failed, "exit status "+strconv.Itoa(code)
		}
		return err
	case recordHistory:
		return fields(f.bytes, func(f field) error {
			if f.number == historyItem {
				if it, err := itemOf(f.bytes); err != nil {
					return err
				} else if it.path[0] == "_timestamp" {
					g.last, _ = strconv.ParseFloat(string(it.json), 64)
				}
			}
			return nil
		})
	case recordArtifact:
		g.tags["wandb.artifacts"] = "logged"
	}
	return nil
}

// told reads what the run says of itself.
func (g *wandbGathered) told(f field) error {
	switch f.number {
	case runID:
		g.tags["wandb.id"] = string(f.bytes)
	case runEntity, runGroup, runJobType, runNotes, runSweep:
		names := map[int32]string{runEntity: "entity", runGroup: "group", runJobType: "job_type", runNotes: "notes", runSweep: "sweep"}
		if len(f.bytes) > 0 {
			g.tags["wandb."+names[f.number]] = string(f.bytes)
		}
	case runProject:
		g.run.Experiment = string(f.bytes)
	case runName:
		g.run.Name = string(f.bytes)
	case runTags:
		g.tags["wandb.tag."+string(f.bytes)] = "true"
	case runHost:
		g.run.Machine.Host = string(f.bytes)
	case runConfig:
		return items(f.bytes, g.config.set)
	case runSummary:
		return items(f.bytes, g.summary.set)
	case runGit:
		return fields(f.bytes, g.git)
	case runStart:
		at, err := moment(f.bytes)
		if !at.IsZero() {
			g.run.Started = at
		}
		return err
	}
	return nil
}

func (g *wandbGathered) git(f field) error {
	switch f.number {
	case gitRemote:
		g.run.Remote = withoutCredentials(string(f.bytes))
	case gitCommit:
		g.run.Commit = commitID(string(f.bytes))
	}
	return nil
}

func (g *wandbGathered) environment(f field) error {
	r := g.run
	switch f.number {
	case environmentOS:
		r.Machine.OS = systemOf(string(f.bytes))
	case environmentHost:
		r.Machine.Host = string(f.bytes)
	case environmentUser:
		r.User = string(f.bytes)
	case environmentProgram:
		r.Command = append([]string{string(f.bytes)}, g.args...) // the fields come in the order of their numbers
	case environmentArgs:
		g.args = append(g.args, string(f.bytes))
	case environmentCPUsLogical:
		r.Machine.CPUs = int(min(f.value, 1<<20))
	case environmentGit:
		return fields(f.bytes, g.git)
	}
	return nil
}

// finish is the run, once everything was read.
func (g *wandbGathered) finish(h *History, log string) *Run {
	r := g.run
	if r.Name == "" {
		r.Name = g.tags["wandb.id"]
	}
	delete(g.config, "_wandb")
	if len(g.config) > 0 {
		r.Document = g.config
	} else {
		r.Params = g.texts
	}
	if g.tags["wandb.artifacts"] != "" {
		h.Left.Add("artifacts of W&B", r.ID, "a run of W&B names them, and its server has their files")
		delete(g.tags, "wandb.artifacts")
	}
	r.Tags = g.tags
	if g.runtime == 0 && g.last == 0 {
		if n, ok := g.summary["_timestamp"].(json.Number); ok {
			g.last, _ = n.Float64()
		}
	}
	switch {
	case r.Started.IsZero():
	case g.runtime > 0 && g.runtime < 1<<31:
		r.Ended = r.Started.Add(time.Duration(g.runtime) * time.Second)
	case g.last > 0 && g.last < 4102444800:
		r.Ended = time.UnixMilli(int64(g.last * 1000)).UTC()
	}
	if r.Ended.Before(r.Started) {
		r.Ended = time.Time{}
	}
	r.Points = wandbPoints(log, g.summary, r.Ended)
	return r
}
