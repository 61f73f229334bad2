package drift

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strconv"
	"strings"
)

// MaxImportances bounds a file of importances.
const MaxImportances = 4 << 20

// IsImportances says whether a file is called as one of importances is: feature_importance*.json or .csv.
func IsImportances(name string) bool {
	base := strings.ToLower(path.Base(name))
	ext := path.Ext(base)
	return (ext == ".json" || ext == ".csv") && (strings.HasPrefix(base, "feature_importance") || strings.HasPrefix(base, "feature-importance"))
}

// Importances reads how much each column counts for a model: JSON of names and numbers, of a list of records, or of two lists; or CSV
// with a column of names and one of numbers. Those below zero, as permutation finds them, count as zero.
func Importances(name string, text []byte) (map[string]float64, error) {
	if len(text) > MaxImportances {
		return nil, fmt.Errorf("it is longer than %d bytes", MaxImportances)
	}
	read := importancesJSON
	if strings.HasSuffix(strings.ToLower(name), ".csv") {
		read = importancesCSV
	}
	pairs, err := read(text)
	if err != nil {
		return nil, err
	}
	all := make(map[string]float64, len(pairs))
	sum := 0.0
	for _, p := range pairs {
		if _, twice := all[p.name]; twice {
			return nil, fmt.Errorf("it names %q twice", p.name)
		}
		if math.IsNaN(p.value) || math.IsInf(p.value, 0) {
			return nil, fmt.Errorf("the importance of %q is no number", p.name)
		}
		all[p.name] = max(0, p.value)
		sum += all[p.name]
	}
	if sum <= 0 || math.IsInf(sum, 0) {
		return nil, errors.New("no column in it has an importance above zero")
	}
	for column := range all { // so that a column counts one on average, as without weights
		all[column] *= float64(len(all)) / sum
	}
	return all, nil
}

type importance struct {
	name  string
	value float64
}

func nameKeys() []string {
	return []string{"feature", "name", "column", "features", "names", "columns"}
}
func valueKeys() []string {
	return []string{"importance", "importances", "value", "values", "gain", "weight", "score", "feature_importance", "feature_importances"}
}

func importancesJSON(text []byte) ([]importance, error) {
	var records []map[string]any
	if err := json.Unmarshal(text, &records); err == nil {
		all := make([]importance, len(records))
		for i, r := range records {
			n, named := pick(r, nameKeys()).(string)
			v, valued := pick(r, valueKeys()).(float64)
			if !named || !valued {
				return nil, fmt.Errorf("record %d has no feature and importance", i+1)
			}
			all[i] = importance{n, v}
		}
		return all, nil
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, errors.New("it is neither an object nor a list of records in JSON")
	}
	if names, ok := pick(object, nameKeys()).([]any); ok {
		values, _ := pick(object, valueKeys()).([]any)
		if len(values) != len(names) {
			return nil, errors.New("its two lists are not of one length")
		}
		all := make([]importance, len(names))
		for i := range names {
			n, named := names[i].(string)
			v, valued := values[i].(float64)
			if !named || !valued {
				return nil, fmt.Errorf("entry %d is no name and number", i+1)
			}
			all[i] = importance{n, v}
		}
		return all, nil
	}
	all := make([]importance, 0, len(object))
	for n, v := range object {
		number, ok := v.(float64)
		if !ok {
			return nil, fmt.Errorf("the importance of %q is no number", n)
		}
		all = append(all, importance{n, number})
	}
	return all, nil
}

func pick(object map[string]any, keys []string) any {
	for _, k := range keys {
		if v, ok := object[k]; ok {
			return v
		}
	}
	return nil
}

func importancesCSV(text []byte) ([]importance, error) {
	r := csv.NewReader(bytes.NewReader(text))
	header, err := r.Read()
	if err != nil {
		return nil, errors.New("it has no header")
	}
	name, value := 0, 1
	for i, h := range header {
		h = strings.ToLower(strings.TrimSpace(h))
		for _, k := range nameKeys() {
			if h == k {
				name = i
			}
		}
		for _, k := range valueKeys() {
			if h == k {
				value = i
			}
		}
	}
	if len(header) < 2 || name == value {
		return nil, errors.New("it needs a column of names and one of numbers")
	}
	var all []importance
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(row[value]), 64)
		if err != nil {
			line, _ := r.FieldPos(value)
			return nil, fmt.Errorf("line %d: %q is no number", line, row[value])
		}
		all = append(all, importance{row[name], v})
	}
}
