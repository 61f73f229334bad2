package lineage

import (
	"context"
	"encoding/base64"
	"fmt"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Namespace is what checkpoints are signed for: ssh-keygen -Y verify -n mlx-checkpoint.
const Namespace = "mlx-checkpoint"

// Checkpoint is the body of a checkpoint.signed/v1 record: who signed says that the first Size records of the log are those
// with this Root. The signed text is Text.
type Checkpoint struct {
	Fingerprint string        `json:"fingerprint"`
	Root        object.Digest `json:"root"`
	Signature   string        `json:"signature"` // armored, as ssh-keygen -Y sign writes it
	Size        uint64        `json:"size"`
}

func checkpointKind() Kind[Checkpoint] { return Define[Checkpoint]("checkpoint.signed/v1") }

// Text returns the signed bytes: origin, size and root in lines, the form of C2SP tlog-checkpoint.
func (c Checkpoint) Text() []byte {
	return fmt.Appendf(nil, "mlx ledger\n%d\n%s\n", c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
}

// SignCheckpoint seals the ledger and records a signature of its size and root by a private SSH key, which must be
// trusted here. The passphrase may be nil.
func (l *Ledger) SignCheckpoint(ctx context.Context, privateKey, passphrase []byte) (Record, error) {
	signer, err := l.signer(ctx, privateKey, passphrase)
	if err != nil {
		return Record{}, err
	}
	if err := l.Seal(ctx); err != nil {
		return Record{}, err
	}
	ids, sealed, err := l.leaves(ctx)
	if err != nil {
		return Record{}, err
	}
	c := Checkpoint{Fingerprint: signer.Key().Fingerprint()}
	c.Size, c.Root = rootOf(ids[:sealed])
	if c.Signature, err = signer.Sign(Namespace, c.Text()); err != nil {
		return Record{}, fault.New(fault.Internal, "cannot sign: %w", err)
	}
	return checkpointKind().Append(ctx, l, Entry[Checkpoint]{Body: c})
}

func (l *Ledger) trusted(ctx context.Context, fingerprint string) (bool, error) {
	keys, err := l.Keys(ctx)
	for _, k := range keys {
		if k.Fingerprint == fingerprint && !k.Revoked {
			return true, nil
		}
	}
	return false, err
}
