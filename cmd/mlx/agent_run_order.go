package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/train"
)

// readOrder reads what is to be done, and the secrets, and believes neither before it has looked at them.
func (j *agentJob) readOrder() error {
	text, err := j.read(train.OrderName)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read %s: %w", train.OrderName, err)
	}
	if j.order, err = train.ParseOrder(text); err != nil {
		return err
	}
	if err := j.order.Check(); err != nil {
		return err
	}
	if j.order.Run != j.id {
		return fault.New(fault.Integrity, "cannot execute %s: it is that of run %s, and lies in the folder of %s", train.OrderName, j.order.Run.Short(), j.id.Short())
	}
	j.order.Ranks = max(1, j.order.Ranks)
	if err := j.readStart(); err != nil {
		return err
	}
	if j.place, err = train.PlaceOf(j.app.environ, j.order.Nodes, j.id); err != nil {
		return err
	}
	return j.readSecrets()
}

// readStart reads the record of the start out of the order. Whoever wrote JSON around it may have written it in another way than it is
// stored; there is only one way that has its id.
func (j *agentJob) readStart() error {
	raw := []byte(j.order.Start)
	if object.Sum(raw) != j.id {
		var v any
		err := json.Unmarshal(raw, &v)
		if err == nil {
			raw, err = object.Encode(v)
		}
		if err != nil || object.Sum(raw) != j.id {
			return fault.New(fault.Integrity, "cannot execute %s: its record is not that of run %s", train.OrderName, j.id.Short())
		}
	}
	var head struct {
		Kind string          `json:"kind"`
		Body json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return fault.New(fault.Integrity, "cannot execute %s: %w", train.OrderName, err)
	}
	j.start = lineage.Record{ID: j.id, Kind: head.Kind, Body: head.Body, Raw: raw}
	var err error
	if j.body, err = run.Started.Decode(j.start); err != nil {
		return err
	}
	return checkBody(j.body)
}

// checkBody refuses paths that leave the work tree.
func checkBody(b run.Body) error {
	bad := func(what, path string) error {
		return fault.New(fault.Integrity, "cannot execute %s: %s %.200q leaves the work tree", train.OrderName, what, path)
	}
	if b.Job == nil || len(b.Command) == 0 || b.Command[0] == "" {
		return fault.New(fault.Integrity, "cannot execute %s: it is no job with a command", train.OrderName)
	}
	if b.Folder != "." && !train.Local(b.Folder) {
		return bad("folder", b.Folder)
	}
	for _, d := range b.Data {
		if !train.Local(d.Path) {
			return bad("data", d.Path)
		}
	}
	for _, out := range b.Outs {
		if !train.Local(out) {
			return bad("output", out)
		}
	}
	for _, word := range b.Command {
		if strings.Contains(word, "\x00") {
			return fault.New(fault.Integrity, "cannot execute %s: its command holds a zero byte", train.OrderName)
		}
	}
	return nil
}

// readSecrets takes them from their file, or from the environment where the backend brought them there.
func (j *agentJob) readSecrets() error {
	text, err := j.read(train.SecretsName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		for _, name := range j.order.Secrets {
			if value, ok := os.LookupEnv(name); ok {
				j.secrets = append(j.secrets, name+"="+value)
			}
		}
	case err != nil:
		return fault.New(fault.KindOf(err), "cannot read the secrets: %w", err)
	default:
		if j.secrets, err = train.ParseSecrets(text); err != nil {
			return err
		}
	}
	known := map[string]bool{}
	for _, s := range j.secrets {
		name, value, _ := strings.Cut(s, "=")
		if len(value) < run.MinSecret {
			return fault.New(fault.Usage, "cannot use secret %s: it has fewer than %d bytes, so that it cannot be kept out of what the command writes", name, run.MinSecret)
		}
		known[name] = true
	}
	for _, name := range j.order.Secrets {
		if !known[name] {
			return fault.New(fault.NotFound, "cannot execute job %s: secret %s has not arrived", j.id.Short(), name)
		}
	}
	j.log.hide(run.NewMask(j.secretValues()))
	return nil
}

func (j *agentJob) secretValues() []string {
	var all []string
	for _, s := range j.secrets {
		_, value, _ := strings.Cut(s, "=")
		all = append(all, value)
	}
	return all
}
