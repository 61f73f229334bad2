package audit

import (
	"encoding/json"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Told is a row taken apart: what docs/format/predictions.md calls its keys. What stands in it as the model or the client said it stays as it is.
type Told struct {
	Release
	Seq        uint64    `json:"seq"`
	ID         string    `json:"id"`
	K          *int      `json:"k"` // place in the request; nil: it has one instance
	At         time.Time `json:"at"`
	Service    string    `json:"service"`
	Generation uint64    `json:"generation"`
	Role       string    `json:"role"`
	Bucket     *int      `json:"bucket"`
	Word       string    `json:"word"`
	Status     int       `json:"status"`
	LatencyUS  *int64    `json:"latency_us"`
	Cost       *float64  `json:"cost"`
	Currency   string    `json:"currency"`
	Retried    string    `json:"retried_from"`
	Stage      string    `json:"stage"`
	Schema     string    `json:"schema"`
	SchemaWhy  string    `json:"schema_why"`
	Request    *ToldBody `json:"request"`
	Answer     *ToldBody `json:"answer"`

	Features    json.RawMessage `json:"features"`
	Score       json.RawMessage `json:"score"`
	Class       json.RawMessage `json:"class"`
	Outputs     json.RawMessage `json:"outputs"`
	Output      json.RawMessage `json:"output"`
	Explanation json.RawMessage `json:"explanation"`
}

// ToldBody is what a row says of a body.
type ToldBody struct {
	Bytes  int64          `json:"bytes"`
	Type   string         `json:"type"`
	Digest *object.Digest `json:"digest"`
}

// Told takes the row apart.
func (r Row) Told() (Told, error) {
	var t Told
	if err := json.Unmarshal(r.Line, &t); err != nil {
		return t, fault.New(fault.Integrity, "cannot read prediction %s: %w", r.ID, err)
	}
	return t, nil
}
