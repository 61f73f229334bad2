package lineage

import (
	"context"
	"errors"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/sshsig"
	"mlx/internal/object"
)

// Sign signs text for a namespace with a private SSH key, which must be trusted here. The passphrase may be nil.
func (l *Ledger) Sign(privateKey, passphrase, text []byte, namespace string) (fingerprint, signature string, err error) {
	signer, err := l.signer(context.Background(), privateKey, passphrase)
	if err != nil {
		return "", "", err
	}
	if signature, err = signer.Sign(namespace, text); err != nil {
		return "", "", fault.New(fault.Internal, "cannot sign: %w", err)
	}
	return signer.Key().Fingerprint(), signature, nil
}

// signer reads a private key that is trusted here.
func (l *Ledger) signer(ctx context.Context, privateKey, passphrase []byte) (sshsig.Signer, error) {
	signer, err := sshsig.ParseSigner(privateKey, passphrase)
	if errors.Is(err, sshsig.ErrPassphrase) {
		return signer, fault.New(fault.Denied, "cannot sign: %w", err)
	}
	if err != nil {
		return signer, fault.New(fault.Usage, "cannot sign: %w", err)
	}
	trusted, err := l.trusted(ctx, signer.Key().Fingerprint())
	if err != nil {
		return signer, err
	}
	if !trusted {
		return signer, fault.New(fault.Denied, "cannot sign: this ledger does not trust key %s", signer.Key().Fingerprint()).Hint("mlx key add FILE")
	}
	return signer, nil
}

// VerifySignature checks a signature of text: Integrity if it does not match, Denied if its key is not trusted here or no longer.
func (l *Ledger) VerifySignature(ctx context.Context, text []byte, namespace, fingerprint, signature string) error {
	key, err := sshsig.Verify(signature, namespace, text)
	if err == nil && key.Fingerprint() != fingerprint {
		err = errors.New("it was made by " + key.Fingerprint() + ", not by " + fingerprint)
	}
	if err != nil {
		return fault.New(fault.Integrity, "cannot believe a signature: %w", err)
	}
	trusted, err := l.trusted(ctx, fingerprint)
	if err == nil && !trusted {
		err = fault.New(fault.Denied, "cannot believe a signature: this ledger does not trust key %s", fingerprint).Hint("mlx key list")
	}
	return err
}

// Known returns a function that says whether a record is here, for those who ask about many, and how many there are.
func (l *Ledger) Known(ctx context.Context) (func(object.Digest) bool, int, error) {
	ids, _, err := l.leaves(ctx)
	if err != nil {
		return nil, 0, err
	}
	set := make(map[object.Digest]struct{}, len(ids))
	for _, id := range ids {
		set[id] = struct{}{}
	}
	return func(id object.Digest) bool { _, ok := set[id]; return ok }, len(set), nil
}

// Has reports whether the record called id is here, be it redacted.
func (l *Ledger) Has(ctx context.Context, id object.Digest) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	v, err := l.settled()
	if err != nil {
		return false, err
	}
	if v.holds(id) {
		return true, nil
	}
	return false, v.damage
}
