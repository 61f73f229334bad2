package history

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// The fields of wandb_internal.proto that are read. W&B never gives a number a second meaning.
const (
	recordHistory, recordSummary, recordConfig, recordStats, recordRun, recordExit, recordEnvironment = 2, 3, 5, 7, 17, 18, 26
	recordArtifact, recordUseArtifact                                                                 = 8, 25

	runID, runEntity, runProject, runConfig, runSummary, runGroup, runJobType, runName, runNotes = 1, 2, 3, 4, 5, 6, 7, 8, 9
	runTags, runSweep, runHost, runStart, runGit                                                 = 10, 12, 13, 17, 21

	itemUpdate, itemRemove                  = 1, 2
	itemKey, itemNested, itemJSON           = 1, 2, 16
	historyItem, historyStep                = 1, 2
	statsTime, statsItem                    = 2, 3
	environmentArgs, environmentProgram     = 5, 6
	environmentGit, environmentHost         = 9, 12
	environmentUser, environmentOS          = 13, 1
	environmentCPUs, environmentCPUsLogical = 16, 17
	gitRemote, gitCommit                    = 1, 2
	timestampSeconds, timestampNanos        = 1, 2
	exitCode, exitRuntime                   = 1, 2
	maxFields                               = 1_000_000
)

// field is one field of a message: number for the kinds of integers, bytes for the rest.
type field struct {
	number int32
	value  uint64
	bytes  []byte
}

// fields visits the fields of a message.
func fields(message []byte, visit func(f field) error) error {
	for range maxFields {
		if len(message) == 0 {
			return nil
		}
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return badMessage
		}
		message = message[n:]
		f := field{number: int32(number)}
		switch kind {
		case protowire.VarintType:
			f.value, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(message)
		case protowire.Fixed32Type, protowire.Fixed64Type:
			n = protowire.ConsumeFieldValue(number, kind, message)
		default:
			return badMessage // groups, which W&B does not use
		}
		if n < 0 {
			return badMessage
		}
		message = message[n:]
		if err := visit(f); err != nil {
			return err
		}
	}
	return badMessage
}

type messageError string

func (e messageError) Error() string { return string(e) }

const badMessage = messageError("a record that is no protocol buffer")

// item is a name and a value as JSON: of a configuration, a summary, a history.
type item struct {
	path []string
	json []byte
}

func itemOf(message []byte) (item, error) {
	var it item
	var key string
	err := fields(message, func(f field) error {
		switch f.number {
		case itemKey:
			key = string(f.bytes)
		case itemNested:
			it.path = append(it.path, string(f.bytes))
		case itemJSON:
			it.json = f.bytes
		}
		return nil
	})
	if len(it.path) == 0 {
		it.path = []string{key}
	}
	return it, err
}

// items visits the values that a message sets; removed ones have no JSON.
func items(message []byte, visit func(it item)) error {
	return fields(message, func(f field) error {
		if f.number != itemUpdate && f.number != itemRemove {
			return nil
		}
		it, err := itemOf(f.bytes)
		if f.number == itemRemove {
			it.json = nil
		}
		if err == nil {
			visit(it)
		}
		return err
	})
}

// document is a tree of values by name.
type document map[string]any

// set puts a value at a path, or takes it away. Paths that run through a value replace it.
func (d document) set(it item) {
	at := map[string]any(d)
	for _, name := range it.path[:min(len(it.path)-1, 64)] {
		inner, ok := at[name].(map[string]any)
		if !ok {
			inner = make(map[string]any)
			at[name] = inner
		}
		at = inner
	}
	last := it.path[len(it.path)-1]
	if it.json == nil {
		delete(at, last)
		return
	}
	at[last] = jsonValue(it.json)
}

// jsonValue reads JSON as Python writes it, with bare NaN and Infinity. What is none stays a text.
func jsonValue(text []byte) any {
	switch word := string(text); word {
	case "NaN", "Infinity", "-Infinity":
		f, _ := strconv.ParseFloat(word, 64)
		return f
	}
	dec := json.NewDecoder(bytes.NewReader(object.QuoteWords(text)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return string(text)
	}
	return v
}

// numbers visits the numbers in a value, with names joined by dots. What has a type of W&B, as a picture has, holds none.
func numbers(name string, v any, depth int, visit func(name string, f float64)) {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err == nil || math.IsInf(f, 0) {
			visit(name, f)
		}
	case float64:
		visit(name, v)
	case json.RawMessage:
		if f, ok := pythonFloat(string(v)); ok {
			visit(name, f)
		}
	case string:
		switch v {
		case "NaN", "Infinity", "-Infinity":
			f, _ := strconv.ParseFloat(v, 64)
			visit(name, f)
		}
	case map[string]any:
		if _, typed := v["_type"]; typed || depth == 32 {
			return
		}
		for key, inner := range v {
			numbers(name+"."+key, inner, depth+1, visit)
		}
	}
}

// moment reads a timestamp.
func moment(message []byte) (time.Time, error) {
	var seconds, nanos int64
	err := fields(message, func(f field) error {
		switch f.number {
		case timestampSeconds:
			seconds = int64(f.value)
		case timestampNanos:
			nanos = int64(f.value)
		}
		return nil
	})
	if seconds <= 0 || seconds > 4102444800 {
		return time.Time{}, err
	}
	return time.Unix(seconds, nanos).UTC(), err
}

func unreadable(file string, err error) error {
	return fault.New(fault.KindOf(err), "cannot read %s: %w", file, err)
}
