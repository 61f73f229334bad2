package deploy

import (
	"context"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Restored is the kind of record that a drill leaves: a service was brought back from the records alone.
var Restored = lineage.Define[Restoration]("deploy.restored/v1")

// Restoration is the body of deploy.restored/v1.
type Restoration struct {
	Service    string        `json:"service"`
	Rollout    object.Digest `json:"rollout"` // the last one of the service: the target does what it asks for
	Generation uint64        `json:"generation"`
	Release    string        `json:"release"` // key of what is in service
	Model      string        `json:"model"`
	Version    int           `json:"version"`
	Digest     object.Digest `json:"digest"`  // of its bytes, which were compared where they run
	Started    bool          `json:"started"` // it did not run before
	Back       bool          `json:"back"`    // it does what the records say
	Reason     string        `json:"reason,omitempty"`
	Took       time.Duration `json:"took_ns"`
	Actor      string        `json:"actor"`
}

// Restore writes down what came of a drill.
func (b Book) Restore(ctx context.Context, r Restoration) (lineage.Record, error) {
	in := []lineage.Input{Named(r.Service)}
	if !r.Rollout.IsZero() {
		in = inputs(r.Service, r.Rollout)
	}
	return Restored.Append(ctx, b.Ledger, lineage.Entry[Restoration]{Body: r, In: in})
}
