package cascade

import (
	"encoding/json"
	"strings"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/gate"
)

// Graphed is what an InferenceGraph of KServe is made of.
type Graphed struct {
	Name    string
	Release deploy.Release
	URL     func(stage int) string // of the server of a stage, with the path at which it is asked
}

// Graph is the InferenceGraph of KServe (v1alpha1) that answers as the stages of a release do: a Sequence, in which a step has the condition
// of the stage before it. What a graph does otherwise, or leaves out without a word, is refused: KServe v0.20 looks up no hashes, knows one
// time for all steps, in whole seconds, takes what a step that failed has said for an answer, and gives the answers of an Ensemble side by
// side, without mean or vote.
func Graph(g Graphed) (map[string]any, error) {
	r := g.Release
	bad := func(format string, args ...any) *fault.Error {
		return fault.New(fault.Usage, "cannot serve "+r.Name()+" as an InferenceGraph: "+format, args...).
			Hint("kubernetes: {form: gateway}   # in services: one pod answers by all stages, as on a host")
	}
	if r.Combine == nil || r.Combine.By != deploy.CombineCascade {
		return nil, bad("an Ensemble of KServe gives the answers of all stages side by side, and combines none")
	}
	var steps []any
	condition := ""
	seconds := int64(0)
	for i, s := range r.Stages {
		deadline := s.Deadline
		if deadline == 0 {
			deadline = usualDeadline
		}
		whole := int64(deadline / time.Second)
		switch {
		case s.List != nil:
			return nil, bad("stage %s looks hashes up, which is no step of a graph", s.Name)
		case s.OnError != deploy.OnErrorFail:
			return nil, bad("stage %s has on_error: %s, and a graph takes what a step says that failed for its answer", s.Name, s.OnError)
		case s.Path == "":
			return nil, bad("stage %s is asked at the path of the request, which a graph does not pass on: path: says another", s.Name)
		case deadline%time.Second != 0 || seconds != 0 && seconds != whole:
			return nil, bad("stage %s has a deadline of %s: a graph has one for all, of whole seconds", s.Name, deadline)
		}
		seconds = whole
		step := map[string]any{"name": s.Name, "serviceUrl": g.URL(i), "dependency": "Hard"}
		if i > 0 {
			step["data"], step["condition"] = "$request", condition
		}
		steps = append(steps, step)
		if s.Next == "" {
			continue
		}
		var err error
		if condition, err = conditionOf(s); err != nil {
			return nil, bad("stage %s: %w", s.Name, err)
		}
	}
	return map[string]any{
		"apiVersion": "serving.kserve.io/v1alpha1", "kind": "InferenceGraph", "metadata": map[string]any{"name": g.Name},
		"spec": map[string]any{
			"routerTimeouts": map[string]any{"serviceClient": seconds},
			"nodes":          map[string]any{"root": map[string]any{"routerType": "Sequence", "steps": steps}},
		},
	}, nil
}

// conditionOf is what a stage says of its answer as a graph reads it: a query of GJSON that finds the answer when the next stage is asked.
func conditionOf(s deploy.ReleaseStage) (string, error) {
	c, err := gate.ParseCondition(s.Next)
	if err != nil {
		return "", err
	}
	all, ok := c.Comparisons()
	if !ok {
		return "", fault.New(fault.Usage, "a graph knows comparisons with numbers and words, joined by and: %q is more", s.Next)
	}
	query := ""
	for i, one := range all {
		if one.Name == answerName && s.Answer == "" {
			return "", fault.New(fault.Usage, "a graph reads one prediction: answer: says where it is").Hint("answer: /predictions/0")
		}
		path, err := pathOf(placeOf(one.Name, s.Answer))
		if err != nil {
			return "", err
		}
		to, err := json.Marshal(one.To)
		if err != nil {
			return "", fault.New(fault.Usage, "%q is compared with what is no number", one.Name)
		}
		if i > 0 {
			query += "#|" // all that was found, of which there is one
		}
		query += "#(" + path + one.Op + string(to) + ")"
	}
	return "[@this]." + query, nil
}

// pathOf is a JSON pointer as GJSON has it.
func pathOf(pointer string) (string, error) {
	names := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for _, name := range names {
		plain := name != "" && !strings.ContainsFunc(name, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-'
		})
		if !plain {
			return "", fault.New(fault.Usage, "a graph cannot read %q: names are of letters, digits, - and _", pointer)
		}
	}
	return strings.Join(names, "."), nil
}
