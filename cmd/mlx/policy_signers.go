package main

import (
	"context"
	"path"
	"slices"
	"strings"

	"mlx/internal/lineage"
	"mlx/internal/registry"
)

// signers are the keys whose sign-offs count here, and those that were revoked. A key is called what the file is called that mlx.yaml
// names, or else what the ledger calls it. Whoever may push may add a key to the ledger under any name, and mlx.yaml is reviewed and
// allowed by its user: so a name that mlx.yaml gives to a file belongs to the key in that file alone.
func (a *app) signers(ctx context.Context, l *lineage.Ledger) ([]registry.Signer, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	taken := make(map[string]bool, len(cfg.TrustedKeys))
	for _, p := range cfg.TrustedKeys {
		taken[stem(p)] = true
	}
	known, err := l.Keys(ctx)
	if err != nil {
		return nil, err
	}
	var all []registry.Signer
	for _, k := range known {
		s := registry.Signer{Fingerprint: k.Fingerprint, Revoked: k.Revoked}
		if k.Name != "" && !taken[k.Name] {
			s.Names = []string{k.Name}
		}
		all = append(all, s)
	}
	named, err := a.trustedKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range named {
		fingerprint, _, _, err := lineage.PublicKey(k.line)
		if err != nil {
			a.streams.Why("signatures by %s do not count: %v", k.path, err)
			continue
		}
		s := registry.Signer{Fingerprint: fingerprint, Names: []string{stem(k.path)}}
		inLedger := slices.ContainsFunc(known, func(o lineage.Key) bool { return o.Fingerprint == fingerprint })
		s.Revoked = inLedger && !slices.ContainsFunc(known, func(o lineage.Key) bool { return o.Fingerprint == fingerprint && !o.Revoked })
		all = append([]registry.Signer{s}, all...)
	}
	return all, nil
}

// stem is the name of a key file without folder and extension.
func stem(file string) string { return strings.TrimSuffix(path.Base(file), path.Ext(file)) }

// counts reports whether sign-offs by a key count.
func counts(all []registry.Signer, fingerprint string) bool {
	return slices.ContainsFunc(all, func(s registry.Signer) bool { return s.Fingerprint == fingerprint && !s.Revoked })
}
