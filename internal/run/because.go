package run

import (
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// CauseVariable names the record that a run was started because of, in the environment of its command.
const CauseVariable = "MLX_CAUSE"

// BecauseRole is the role of that record among the inputs of the run.
const BecauseRole = "because"

// Because is why a run was started where nobody typed it: a record, such as that of drift that was found.
type Because struct {
	Kind string        `json:"kind"` // of what happened: "drift"
	ID   object.Digest `json:"id"`   // of the record
	Text string        `json:"text"` // in a few words: "dewp, temp"
}

// Words are the cause as it is told: "drift 8c25f1d07be9: dewp, temp".
func (b Because) Words() string {
	words := b.Kind + " " + b.ID.Short()
	if b.Text != "" {
		words += ": " + b.Text
	}
	return words
}

// input is the cause among the inputs of a run.
func (b *Because) input() []lineage.Input {
	if b == nil {
		return nil
	}
	return []lineage.Input{{Role: BecauseRole, ID: b.ID}}
}

// environ is the cause in the environment of a command.
func (b *Because) environ() []string {
	if b == nil {
		return nil
	}
	return []string{CauseVariable + "=" + b.ID.Hex()}
}

type shownBecause struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Text string `json:"text"`
}

func (b *Because) shown() *shownBecause {
	if b == nil {
		return nil
	}
	return &shownBecause{b.Kind, b.ID.Hex(), b.Text}
}
