package main

import (
	"time"

	"mlx/internal/cli"
	"mlx/internal/remote"
	"mlx/internal/repo"
)

// remoteShown is remote/v1 with what this clone remembers. Head is null for a remote that was never seen.
type remoteShown struct {
	remoteView
	Head      *remote.Head `json:"head"`
	Snapshots int          `json:"snapshots"`
	Records   int          `json:"records"`
	Packs     int          `json:"packs"`
	Bytes     int64        `json:"bytes"`
	AsOf      *time.Time   `json:"as_of"`
}

// showRemote shows a remote as this clone last saw it, without asking it.
func (a *app) showRemote(name string) error {
	c, name, err := a.chosenRemote(name)
	if err != nil {
		return err
	}
	known, err := a.recall(c)
	if err != nil {
		return err
	}
	t, err := a.allowed()
	if err != nil {
		return err
	}
	v := remoteShown{remoteView: viewOfRemote(name, c), AsOf: asOf(known)}
	v.Trusted, v.SeenAt = t.Approved(repo.TrustRemote, name, c.TrustValue()), v.AsOf
	if _, usual, err := a.chosenRemote(""); err == nil {
		v.Default = usual == name
	}
	v.Encrypted = v.Encrypted || known.Encrypted()
	if head, seen := known.Head(); seen {
		v.Head = &head
	}
	sum := known.Totals()
	v.Snapshots, v.Records, v.Packs, v.Bytes = sum.Snapshots, sum.Records, sum.Packs, sum.Bytes
	return a.streams.Emit(v, func(t *cli.Text) { remoteShownText(v, t) })
}

// recall reads what this clone remembers of a remote.
func (a *app) recall(c repo.Remote) (*remote.Known, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	return remote.Recall(r.Remotes(), c.URL)
}

// asOf is when the clone last saw something new at a remote, or nil.
func asOf(k *remote.Known) *time.Time {
	if k.AsOf.IsZero() {
		return nil
	}
	at := k.AsOf.Truncate(time.Second)
	return &at
}

func remoteShownText(v remoteShown, t *cli.Text) {
	t.Line(append([]cli.Cell{cli.Str("remote")}, v.cells()...)...)
	if v.Head == nil {
		t.KeyValue(2, "seen", cli.Str("never"))
		return
	}
	t.KeyValue(2, "seen", cli.Time(*v.AsOf))
	t.KeyValue(2, "holds", cli.Num(int64(v.Snapshots), "snapshot"), cli.Num(int64(v.Records), "record"), cli.Num(int64(v.Packs), "pack"), cli.Bytes(v.Bytes))
	t.KeyValue(2, "head", cli.Fmt("entry %s", cli.Count(int64(v.Head.Seq))), cli.ID(v.Head.Entry))
}
