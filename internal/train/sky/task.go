package sky

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/train"
)

// agentPath is where mlx lies on the nodes.
const agentPath = "~/.cache/mlx/agent"

// task writes the file of a task. YAML contains JSON: quoting is that of JSON, and so is nothing left to its rules of types.
func task(j train.Job, mounts map[string]string) []byte {
	t := struct {
		Name      string            `json:"name"`
		Nodes     int               `json:"num_nodes,omitempty"`
		Resources map[string]any    `json:"resources"`
		Mounts    map[string]string `json:"file_mounts"`
		Env       map[string]string `json:"envs,omitempty"`
		Run       string            `json:"run"`
	}{Name: j.Name(), Resources: resources(j), Mounts: mounts, Env: j.Env, Run: script(j.Dir)}
	if j.Resources.Nodes > 1 {
		t.Nodes = j.Resources.Nodes
	}
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return nil // strings and numbers are always written
	}
	return append(text, '\n')
}

// script runs the agent. Two nodes of one machine, as on Slurm, have one home folder: the program is not changed there.
func script(dir string) string {
	folder := train.Quote([]string{dir})
	if rest, ok := strings.CutPrefix(dir, "~/"); ok {
		folder = `"$HOME"/` + train.Quote([]string{rest})
	}
	return "chmod 755 " + agentPath + " 2>/dev/null\nexec " + agentPath + " agent run " + folder + "\n"
}

// resources puts a request into SkyPilot's words. What is not asked for is left to it.
func resources(j train.Job) map[string]any {
	r := make(map[string]any)
	if n := j.Resources.GPUs; n > 0 {
		kind := j.Resources.GPUType
		if kind == "" {
			kind = "GPU"
		}
		r["accelerators"] = kind + ":" + strconv.Itoa(n)
	}
	if n := j.Resources.CPUs; n > 0 {
		r["cpus"] = strconv.Itoa(n) + "+"
	}
	if n := j.Resources.Memory; n > 0 {
		r["memory"] = strconv.FormatInt((n+1<<30-1)>>30, 10) + "+"
	}
	if j.Spot {
		r["use_spot"] = true
	}
	if j.Image != "" {
		r["image_id"] = j.Image
	}
	return r
}

// secretWords are the bytes of train.SecretsName.
func secretWords(m map[string]string) []byte {
	var out []byte
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, name+"="+m[name]+"\x00"...)
	}
	return out
}
