package tracking

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// evalsetPath begins the calls about the evaluation data of mlflow.genai.
const evalsetPath = "/api/3.0/mlflow/datasets"

var evalsetID = regexp.MustCompile(`^d-[0-9a-f]{32}$`)

// evalset is a set of evaluation data of mlflow.genai: questions with the answers that are expected. It is kept whole in one file.
type evalset struct {
	ID          string           `json:"dataset_id"`
	Name        string           `json:"name"`
	Tags        map[string]any   `json:"tags"`
	Experiments []string         `json:"experiment_ids"`
	CreatedMS   int64            `json:"created_time"`
	UpdatedMS   int64            `json:"last_update_time"`
	By          string           `json:"created_by"`
	Records     []map[string]any `json:"records"`
}

// evalsetJSON is a set as the dialect writes it.
type evalsetJSON struct {
	ID          string   `json:"dataset_id"`
	Name        string   `json:"name"`
	Tags        string   `json:"tags,omitempty"`
	Schema      string   `json:"schema,omitempty"`
	Profile     string   `json:"profile,omitempty"`
	Digest      string   `json:"digest"`
	CreatedMS   int64    `json:"created_time"`
	UpdatedMS   int64    `json:"last_update_time"`
	By          string   `json:"created_by,omitempty"`
	UpdatedBy   string   `json:"last_updated_by,omitempty"`
	Experiments []string `json:"experiment_ids,omitempty"`
}

type evalsetAnswer struct {
	Dataset evalsetJSON `json:"dataset"`
}

func (e *evalset) out() evalsetJSON {
	out := evalsetJSON{ID: e.ID, Name: e.Name, CreatedMS: e.CreatedMS, UpdatedMS: e.UpdatedMS, By: e.By, UpdatedBy: e.By, Experiments: e.Experiments}
	out.Digest = object.Sum([]byte(e.ID + e.Name + string(marshal(e.Records)))).Hex()[:8]
	if len(e.Tags) > 0 {
		out.Tags = string(marshal(e.Tags))
	}
	if len(e.Records) > 0 {
		out.Schema = string(marshal(map[string]any{"inputs": e.types("inputs"), "outputs": e.types("outputs"),
			"expectations": e.types("expectations"), "version": "1.0"}))
		out.Profile = string(marshal(map[string]int{"num_records": len(e.Records)}))
	}
	return out
}

// types names the types of the fields that records have in one of their parts.
func (e *evalset) types(part string) map[string]string {
	all := map[string]string{}
	for _, r := range e.Records {
		fields, _ := r[part].(map[string]any)
		for key, v := range fields {
			all[key] = typeName(v)
		}
	}
	return all
}

func typeName(v any) string {
	switch v := v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "float"
	case []any:
		return "array"
	case nil:
		return "null"
	}
	return "object"
}

func newID(prefix string) string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	return prefix + hex.EncodeToString(raw[:])
}

func (s *Server) evalset(id string) (*evalset, error) {
	missing := failf(ResourceDoesNotExist, "Dataset with ID '%.100s' not found", id)
	if !evalsetID.MatchString(id) {
		return nil, missing
	}
	b, err := os.ReadFile(filepath.Join(s.o.Dir, "datasets", id+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	var e evalset
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, fault.New(fault.Integrity, "cannot read dataset %s: %w", id, err)
	}
	return &e, nil
}

// maxEvalset bounds a set, in bytes.
const maxEvalset = 256 << 20

func (s *Server) storeEvalset(e *evalset) error {
	e.UpdatedMS = s.o.Now().UnixMilli()
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if len(b) > maxEvalset {
		return invalid("A dataset has at most %d bytes", maxEvalset)
	}
	return s.writeState(filepath.Join("datasets", e.ID+".json"), b)
}

// changeEvalset applies a change to a set.
func (s *Server) changeEvalset(id string, with func(*evalset) error) (*evalset, error) {
	defer s.evalsets.lock(id)()
	e, err := s.evalset(id)
	if err == nil {
		err = with(e)
	}
	if err == nil {
		err = s.storeEvalset(e)
	}
	return e, err
}

// merge puts records into the set: one with the same inputs is changed, others are added.
func (e *evalset) merge(records []map[string]any, now int64) (inserted, updated int, err error) {
	known := make(map[string]int, len(e.Records))
	for i, r := range e.Records {
		known[string(marshal(r["inputs"]))] = i
	}
	for _, r := range records {
		if _, ok := r["inputs"].(map[string]any); !ok {
			return 0, 0, invalid("Each record needs inputs")
		}
		key := string(marshal(r["inputs"]))
		at, old := known[key]
		if !old {
			r["dataset_record_id"], r["dataset_id"], r["created_time"], r["last_update_time"] = newID("dr-"), e.ID, now, now
			known[key] = len(e.Records)
			e.Records = append(e.Records, r)
			inserted++
			continue
		}
		was := e.Records[at]
		for _, part := range []string{"expectations", "tags"} {
			if more, ok := r[part].(map[string]any); ok {
				all, _ := was[part].(map[string]any)
				if all == nil {
					all = map[string]any{}
				}
				maps.Copy(all, more)
				was[part] = all
			}
		}
		for _, part := range []string{"outputs", "source"} {
			if v, ok := r[part]; ok && v != nil {
				was[part] = v
			}
		}
		was["last_update_time"] = now
		updated++
	}
	return inserted, updated, nil
}

// allEvalsets are the sets of some experiments, the newest first.
func (s *Server) allEvalsets(experiments []string) ([]*evalset, error) {
	entries, err := os.ReadDir(filepath.Join(s.o.Dir, "datasets"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []*evalset
	for _, f := range entries {
		e, err := s.evalset(strings.TrimSuffix(f.Name(), ".json"))
		var gone *Failure
		if errors.As(err, &gone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(experiments) == 0 || slices.ContainsFunc(experiments, func(x string) bool { return slices.Contains(e.Experiments, x) }) {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b *evalset) int {
		return cmp.Or(cmp.Compare(b.CreatedMS, a.CreatedMS), strings.Compare(a.ID, b.ID))
	})
	return all, nil
}

func evalsetGrammar() *grammar {
	return registryGrammar(map[string]valueKind{"name": textValue, "dataset_id": textValue, "created_by": textValue, "last_updated_by": textValue,
		"created_time": numberValue, "last_update_time": numberValue}, "name", "dataset_id")
}

func evalsetField(e *evalset, kind, key string) field {
	if kind == tagKind {
		v, known := e.Tags[key]
		text, plain := v.(string)
		if !plain {
			text = string(marshal(v))
		}
		return field{text: text, known: known}
	}
	switch key {
	case "dataset_id":
		return textField(e.ID)
	case "created_by", "last_updated_by":
		return textField(e.By)
	case "created_time":
		return numberField(float64(e.CreatedMS))
	case "last_update_time":
		return numberField(float64(e.UpdatedMS))
	}
	return textField(e.Name)
}
