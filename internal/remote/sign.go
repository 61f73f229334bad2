package remote

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"mlx/internal/fault"
)

// SignNamespace is what entries of a log are signed for: ssh-keygen -Y verify -n mlx-log.
const SignNamespace = "mlx-log"

// sign signs an entry that redacts; others need no signature.
func (r *Remote) sign(e *Entry) (err error) {
	if len(e.Redacted) == 0 {
		return nil
	}
	if r.signer == nil {
		return fault.New(fault.Denied, "cannot redact records of remote %s without a signing key", r.o.Name)
	}
	e.Key = r.signer.Fingerprint
	text, err := e.unsigned()
	if err != nil {
		return err
	}
	e.Sig, err = r.signer.Sign(text)
	return err
}

// Signer signs entries that redact records.
type Signer struct {
	Fingerprint string
	Sign        func(text []byte) (string, error)
}

// checkSignature makes sure that somebody whom this ledger trusts has redacted.
func (r *Remote) checkSignature(ctx context.Context, e *Entry) error {
	text, err := e.unsigned()
	if err != nil {
		return err
	}
	if err := r.o.Ledger.VerifySignature(ctx, text, SignNamespace, e.Key, e.Sig); err != nil {
		return fault.New(fault.KindOf(err), "entry %d of remote %s redacts records, and nobody whom this ledger trusts has signed it: %w", e.Seq, r.o.Name, err)
	}
	return nil
}

func exists(err error) bool { return errors.Is(err, fs.ErrExist) }

// covers says whether all holds every one of some.
func covers(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

func sameSet(a, b []string) bool { return covers(a, b) && covers(b, a) }
