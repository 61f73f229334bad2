package lineage

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/disk"
	"mlx/internal/lineage/internal/segment"
	"mlx/internal/object"
)

// Redact removes the bytes of a record for ever: it appends a signed record that says so and on what basis, and then applies it. The key
// must be trusted here. What the record superseded stays superseded. A record that is redacted already is redacted no second time: what
// is left to do is done, and the record that says so returned.
func (l *Ledger) Redact(ctx context.Context, id object.Digest, basis string, privateKey, passphrase []byte) (Record, error) {
	if err := l.writable("redact a record"); err != nil {
		return Record{}, err
	}
	signer, err := l.signer(ctx, privateKey, passphrase)
	if err != nil {
		return Record{}, err
	}
	set, err := l.redactions(ctx)
	if err != nil {
		return Record{}, err
	}
	if before, ok := set.effective[id]; ok {
		if _, err := l.ApplyRedactions(ctx); err != nil {
			return Record{}, err
		}
		return l.Get(ctx, before.ID)
	}
	r, err := l.Get(ctx, id)
	if err != nil {
		return Record{}, err
	}
	if n := r.Noun(); n == "key" || redactedKind().Is(r) {
		return Record{}, fault.New(fault.Usage, "cannot redact record %s: it is %s, which everyone needs to judge signatures", id.Short(), r.Kind)
	}
	body := redacted{Basis: basis, Fingerprint: signer.Key().Fingerprint(), Record: id}
	text, err := body.text()
	if err != nil {
		return Record{}, because(err, "cannot redact record %s", id.Short())
	}
	if body.Signature, err = signer.Sign(RedactionNamespace, text); err != nil {
		return Record{}, fault.New(fault.Internal, "cannot redact record %s: %w", id.Short(), err)
	}
	done, err := redactedKind().Append(ctx, l, Entry[redacted]{Body: body, Prev: r.Prev})
	if err != nil {
		return Record{}, err
	}
	_, err = l.ApplyRedactions(ctx)
	return done, err
}

// ApplyRedactions removes all bytes that trusted redactions name, and returns how many records had some. It may be killed at any instant
// and run again: a pack is replaced in the log before it is removed.
func (l *Ledger) ApplyRedactions(ctx context.Context) (int, error) {
	if err := l.writable("apply redactions"); err != nil {
		return 0, err
	}
	removed := 0
	for range maxRaces {
		n, again, err := l.applyOnce(ctx)
		removed += n
		if err != nil {
			return removed, because(err, "cannot apply redactions")
		}
		if !again {
			return removed, nil
		}
	}
	return removed, fault.New(fault.Unavailable, "cannot apply redactions: the ledger is consolidated too fast")
}

// applyOnce goes once through all that is there. It has to be done again when others have replaced packs meanwhile.
func (l *Ledger) applyOnce(ctx context.Context) (removed int, again bool, err error) {
	set, err := l.redactions(ctx)
	if err != nil {
		return 0, false, err
	}
	if len(set.effective) == 0 {
		return 0, false, l.keepRedacted(set)
	}
	if err := l.keepRedacted(set); err != nil { // before sealing, which asks it
		return 0, false, err
	}
	if err := l.Seal(ctx); err != nil { // takes in strays, and removes what was replaced
		return 0, false, err
	}
	l.seal.Lock()
	defer l.seal.Unlock()
	o, _, err := l.lastOrder()
	if err != nil {
		return 0, false, err
	}
	nonces := map[object.Digest][]byte{}
	var damage error // of one pack does not keep the bytes in the others
	for _, s := range o.Packs {
		n, done, err := l.rewrite(ctx, s, set, nonces)
		removed += n
		damage = cmp.Or(damage, err)
		again = again || err == nil && !done
	}
	if err := cmp.Or(l.scrub(set, nonces), damage); err != nil {
		return removed, false, err
	}
	_, strays, err := l.packOrder()
	return removed, again || removed > 0 && strays > 0, err
}

// rewrite replaces a pack of the log that holds bytes which must go; done is false when it was replaced by others meanwhile. It
// notes the nonces of what it removes.
func (l *Ledger) rewrite(ctx context.Context, s sealed, set *redactions, nonces map[object.Digest][]byte) (n int, done bool, err error) {
	l.read.Lock()
	p, err := l.packFile(s.Pack)
	l.read.Unlock()
	if errors.Is(err, fs.ErrNotExist) && l.missing(s.Pack) == nil {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	full := false
	for id := range set.effective {
		row, ok := p.ix.Find(id)
		full = full || ok && !p.ix.IsGone(row)
	}
	if !full {
		return 0, true, nil
	}
	facts, _, err := l.readPack(s.Pack)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	for i, f := range facts {
		if set.has(f.id) && !isGone(f.id, f.raw) {
			nonces[f.id] = nonceOf(f.raw)
			facts[i].raw = goneLine(f.id)
			n++
		}
	}
	packs, err := l.writePacks(ctx, facts)
	if err != nil {
		return 0, false, err
	}
	if done, err = l.replaceRun([]object.Digest{s.Pack}, packs); err != nil || !done {
		return 0, false, err
	}
	l.read.Lock()
	if p := l.packs[s.Pack]; p != nil { // other readers of this process may still use it
		l.stale = append(l.stale, p)
		delete(l.packs, s.Pack)
	}
	l.read.Unlock()
	return n, true, nil
}

// nonceOf returns the 32 digits of the nonce in a line.
func nonceOf(raw []byte) []byte {
	_, rest, ok := bytes.Cut(raw, []byte(`"nonce":"`))
	if !ok || len(rest) < 32 {
		return nil
	}
	return bytes.Clone(rest[:32])
}

// scrub removes bytes from where crashes and damage have left them.
func (l *Ledger) scrub(set *redactions, nonces map[object.Digest][]byte) error {
	kept, err := segment.Damaged(l.path(segFolder))
	if err != nil {
		return err
	}
	for _, name := range kept {
		if err := l.scrubEvidence(l.path(segFolder, name), set, nonces); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := l.scrubIndexes(); err != nil {
		return err
	}
	names, err := disk.List(l.path(tmpFolder))
	for _, name := range names {
		l.scrubTemporary(l.path(tmpFolder, name), set)
	}
	return err
}

// scrubIndexes removes the indexes of packs that are not there: an index is written before its pack and removed after it, so
// a crash can leave it, with the texts of its records. One whose pack is just about to come is made again.
func (l *Ledger) scrubIndexes() error {
	names, err := disk.List(l.path(idxFolder))
	for _, name := range names {
		pack, ok := strings.CutSuffix(name, idxSuffix)
		if !ok {
			continue
		}
		if _, err := os.Lstat(l.path(packFolder, pack+packSuffix)); errors.Is(err, fs.ErrNotExist) {
			_ = os.Remove(l.path(idxFolder, name))
		}
	}
	return err
}

// scrubEvidence writes a damaged segment again without the lines that are redacted records, or what is left of them: those that hold their nonce.
func (l *Ledger) scrubEvidence(path string, set *redactions, nonces map[object.Digest][]byte) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out []byte
	for text := range bytes.Lines(data) {
		rec, ok := segment.Unframe(bytes.TrimSuffix(text, []byte("\n")))
		if ok && set.has(object.Sum(rec)) {
			continue
		}
		bad := false
		for _, nonce := range nonces {
			bad = bad || nonce != nil && bytes.Contains(text, nonce)
		}
		if !bad {
			out = append(out, text...)
		}
	}
	if len(out) == len(data) {
		return nil
	}
	tmp, err := disk.Stage(l.path(tmpFolder), out)
	if err != nil {
		return err
	}
	return errors.Join(os.Rename(tmp, path), disk.SyncDir(l.path(segFolder)))
}

// scrubTemporary removes a temporary file that names a redacted record, as packs and indexes do, or that is no whole file of either
// kind and has lost its writer.
func (l *Ledger) scrubTemporary(path string, set *redactions) {
	info, err := os.Lstat(path)
	if err != nil || info.Size() > maxPack {
		return
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return
	}
	_, whole := readPackData(data)
	bad := whole != nil && l.opts.Now().Sub(info.ModTime()) > time.Minute
	for id := range set.effective {
		bad = bad || bytes.Contains(data, id[:])
	}
	if bad {
		_ = os.Remove(path) // else swept within the hour
	}
}

// bytesLeft returns the redacted records whose bytes are still in v.
func (v *view) bytesLeft(set *redactions) (out []object.Digest) {
	for id := range set.effective {
		if _, ok := v.lookup(id); ok {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, object.Digest.Compare)
	return out
}
