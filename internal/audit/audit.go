// Package audit hides how the answers of a service are kept: which bytes a prediction becomes, how it gets to the disk without a request
// ever waiting for it, how the pieces of the log are sealed and chained so that none can be taken away or changed unseen, and how one of ten
// million is found again.
//
// A writer takes predictions into a bounded queue and writes them as rows of JSON in frames of zstd to a file of its spool. The file is
// finished from time to time, its bytes go to the store, and one record of the ledger names them: a sealed segment. docs/format/predictions.md
// is the format.
package audit

import (
	"encoding/json"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Prediction is one request that a service has answered, or has failed to.
type Prediction struct {
	ID         string // of the request; empty: the writer makes one
	At         time.Time
	Generation uint64 // of the routing that was in force
	Role       string // of the arm that answered: stable, candidate or shadow
	Release    *Release
	// Word is what the arm was chosen by, of a user or a session: only a keyed hash of it is written. Bucket is where it fell; without a word
	// there is none.
	Word   string
	Bucket int

	Request Body
	Answer  Body
	Status  int           // of HTTP; 0: there was no answer
	Latency time.Duration // until its last byte
	Cost    float64       // of the whole request; 0: not known
	// Currency is that of Cost, such as EUR.
	Currency string
	Retried  string // key of the release whose connection broke before this one answered
	Stage    string // or stages of the release, by which it has answered; empty: it has none
	Schema   string // whether request and answer fit the schema of the model, in a word; empty: nobody looked
	Why      string // what does not fit
	// Explanation is JSON, where the model server gave one with its answer.
	Explanation json.RawMessage
}

// Release is what answered: exactly these bytes. A writer remembers what it has written of it by its Key.
type Release struct {
	Key     string        `json:"release"`
	Model   string        `json:"model"`
	Version int           `json:"version"`
	Digest  object.Digest `json:"digest"`          // of the bytes of the model
	Image   string        `json:"image,omitempty"` // digest of the package it runs from
	Run     object.Digest `json:"run"`             // that made it
	Data    []string      `json:"data,omitempty"`  // digests of the snapshots that the run read
	Commit  string        `json:"commit,omitempty"`
}

// releaseName is a release, or one of the models of one.
type releaseName struct {
	key, model string
	version    int
}

// Body is what came or went. It must not change after it was given to a writer.
type Body struct {
	Type   string        // media type
	Coding string        // Content-Encoding: empty or gzip, or it cannot be read
	Bytes  []byte        // nil: it was too long or is no text; then Size and Digest say what it was
	Size   int64         // 0: that of Bytes
	Digest object.Digest // zero: that of Bytes
}

func (b Body) size() int64 {
	if b.Size > 0 {
		return b.Size
	}
	return int64(len(b.Bytes))
}

func (b Body) digest() object.Digest {
	if b.Digest.IsZero() && len(b.Bytes) > 0 {
		return object.Sum(b.Bytes)
	}
	return b.Digest
}

// weight is about how much memory a prediction takes while it waits.
func (p *Prediction) weight() int64 {
	const fixed = 512
	return fixed + int64(len(p.ID)+len(p.Word)+len(p.Request.Bytes)+len(p.Answer.Bytes)+len(p.Explanation))
}

// SegmentSealed is the kind of record that a finished piece of the log leaves. Of records with the same writer and number only the first
// counts.
var SegmentSealed = lineage.Define[Sealed]("prediction.sealed/v1")

// Sealed says what a segment holds: the body of a record.
type Sealed struct {
	Service  string        `json:"service"`
	Writer   string        `json:"writer"`   // a process that wrote it, by a random name
	Number   int64         `json:"number"`   // of its segments, from 1
	Segment  object.Digest `json:"segment"`  // SHA-256 of its bytes
	Previous object.Digest `json:"previous"` // of its writer, the one with the number before; zero for the first
	Kept     object.Digest `json:"kept"`     // the version in the store that holds it
	Policy   object.Digest `json:"policy"`   // what was written of features: the digest of Policy
	SegmentCounts
}

// SegmentCounts say how much a segment holds. Requests of a writer are numbered from 1 as they are taken in.
type SegmentCounts struct {
	Rows     int64            `json:"rows"`
	Requests int64            `json:"requests"`
	Bytes    int64            `json:"bytes"` // as it stands in the store
	From     time.Time        `json:"from"`  // earliest time of a request
	To       time.Time        `json:"to"`    // latest
	First    uint64           `json:"first"` // number of its first request; 0: it has none
	Last     uint64           `json:"last"`
	Dropped  int64            `json:"dropped"`        // requests that were not taken in since the segment before: the queue was full
	Lost     int64            `json:"lost,omitempty"` // requests that were taken in, and lost with their writer: at least so many
	Releases map[string]int64 `json:"releases"`       // rows, by key of the release
}
