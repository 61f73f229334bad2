package main

import (
	"context"
	"errors"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/snapshot"
)

// gcRemoteRun collects at a remote: what goes there is gone for everybody, so a person is asked.
func gcRemoteRun(ctx context.Context, a *app, o gcOptions) error {
	if err := a.mayAsk("collect in remote "+o.remote, o.yes || o.dryRun, "mlx gc -r "+shellWord(o.remote)+" -y"); err != nil {
		return err
	}
	if err := a.notShallow(ctx); err != nil {
		return err
	}
	rem, err := a.openRemote(ctx, o.remote)
	if err != nil {
		return err
	}
	what, err := a.remoteKeeps(ctx, o)
	if err != nil {
		return err
	}
	plan, err := rem.PlanGC(ctx, what)
	if err != nil {
		return notCollected(err, rem)
	}
	if o.dryRun {
		return a.streams.Emit(remoteGCPlan(plan), func(t *cli.Text) { remoteGCText(plan, nil, true, t) })
	}
	if !o.yes {
		err := a.ask(ctx, "collect in "+rem.Describe()+"?", func(t *cli.Text) { remoteGCText(plan, nil, true, t) })
		if err != nil {
			return err
		}
	}
	done, err := rem.GC(ctx, what)
	if err != nil {
		return notCollected(err, rem)
	}
	return a.streams.EmitVerdict(remoteGCDone(rem.Name(), done), false, func(t *cli.Text) { remoteGCText(&done.GCPlan, done.Failed, false, t) })
}

func notCollected(err error, rem *remote.Remote) error {
	return fault.New(fault.KindOf(err), "cannot collect in %s: %w", rem.Describe(), remoteTrouble(err, rem.Name()))
}

// mayAsk refuses what cannot be undone where nobody can be asked and nobody has said yes, before anything is done.
func (a *app) mayAsk(what string, said bool, command string) error {
	if said || a.streams.Interactive() {
		return nil
	}
	return fault.New(fault.Usage, "cannot %s: it cannot be undone, and there is no terminal to ask on", what).
		Hint("%s   # says yes", command)
}

// ask shows what is about to be done and asks.
func (a *app) ask(ctx context.Context, question string, show func(*cli.Text)) error {
	if err := a.streams.Emit(nil, show); err != nil {
		return err
	}
	yes, err := a.streams.Ask(ctx, question)
	var e *fault.Error
	switch {
	case errors.As(err, &e):
		return e
	case err != nil:
		return err
	case !yes:
		return fault.New(fault.Denied, "nothing was done")
	}
	return nil
}

// notShallow refuses a clone that cannot tell what the commits it lacks need.
func (a *app) notShallow(ctx context.Context) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	head, err := r.Head(ctx)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	if head.Shallow {
		return fault.New(fault.Conflict, "a shallow clone may not gc a remote: it does not know what older commits need").
			Hint("git fetch --unshallow")
	}
	return nil
}

// remoteKeeps says what stays at a remote: what this clone's git and the records need, and what was pushed lately. What
// mlx.yaml says with keep is never made shorter.
func (a *app) remoteKeeps(ctx context.Context, o gcOptions) (remote.GCOptions, error) {
	store, err := a.store()
	if err != nil {
		return remote.GCOptions{}, err
	}
	c, _, err := a.chosenRemote(o.remote)
	if err != nil {
		return remote.GCOptions{}, err
	}
	if keep := c.Keep.Duration; keep > 0 && (keep > o.within || !o.withinSet) {
		if o.withinSet {
			a.streams.Note("mlx.yaml keeps everything in remote %s for %s", o.remote, c.Keep.Text())
		}
		o.within, o.keepWithin = keep, c.Keep.Text()
	}
	live := liveRoots{app: a, options: o, store: store, now: a.now()}
	what := remote.GCOptions{Within: o.within, KeepLast: o.keepLast, Live: live.all}
	for _, word := range o.release {
		t, err := a.resolve(ctx, word)
		if err != nil {
			return what, err
		}
		found, err := a.versions(ctx, t)
		if err != nil {
			return what, err
		}
		for _, d := range found {
			what.Release = append(what.Release, d.Root)
		}
	}
	return what, nil
}

// remoteGCView is gc/v1 of a remote.
type remoteGCView struct {
	gcView
	Remote   string          `json:"remote"`
	Versions []gcVersionView `json:"versions"`
	Packs    []gcPackView    `json:"packs"`
	Failed   []gcFailedView  `json:"failed"` // objects that could not be deleted
	Head     remote.Head     `json:"head"`
}

type gcVersionView struct {
	Snapshot string    `json:"snapshot"`
	Path     string    `json:"path"`
	PushedAt time.Time `json:"pushed_at"`
	Stays    bool      `json:"stays"`
	Why      string    `json:"why"`
	root     object.Digest
}

type gcPackView struct {
	Pack      string `json:"pack"`
	Do        string `json:"do"`
	Why       string `json:"why"`
	Bytes     int64  `json:"bytes"`
	LiveBytes int64  `json:"live_bytes"`
}

type gcFailedView struct {
	Object string `json:"object"`
	Cause  string `json:"cause"`
}

func remoteGCDone(name string, d remote.GCDone) remoteGCView {
	v := remoteGCView{gcView: gcView{Kind: "gc/v1", Classes: []snapshot.GCClass{}, KeptBytes: d.Kept, FreedBytes: d.Freed, CondemnedBytes: d.Later},
		Remote: name, Versions: gcVersions(&d.GCPlan), Packs: []gcPackView{}, Failed: []gcFailedView{}, Head: d.Head}
	if !d.After.IsZero() {
		at := d.After.UTC()
		v.DeleteAt = &at
	}
	for _, p := range d.Packs {
		v.Packs = append(v.Packs, gcPackView{p.Pack.Hex(), p.Do, p.Why, p.Bytes, p.Live})
	}
	for _, f := range d.Failed {
		v.Failed = append(v.Failed, gcFailedView{f.Key, f.Cause.Error()})
	}
	return v
}

func gcVersions(p *remote.GCPlan) []gcVersionView {
	out := []gcVersionView{}
	for _, r := range p.Roots {
		out = append(out, gcVersionView{r.Root.Root.Hex(), r.Path, r.At.UTC(), r.Stays, r.Why, r.Root.Root})
	}
	return out
}

func remoteGCPlan(p *remote.GCPlan) planView {
	v := planView{Kind: "plan/v1", Command: "gc", Applies: true, Steps: []planStep{}, Bytes: p.Freed + p.Later, Needs: []planNeed{}, Classes: []snapshot.GCClass{}}
	for _, r := range p.Roots {
		if !r.Stays {
			v.Steps = append(v.Steps, planStep{Do: "release", What: r.Path + " " + r.Root.Root.Hex(), Why: r.Why})
		}
	}
	for _, k := range p.Packs {
		v.Steps = append(v.Steps, planStep{Do: k.Do, What: "pack " + k.Pack.Hex(), Why: k.Why, Bytes: k.Bytes - k.Live})
	}
	for _, o := range p.Objects {
		v.Steps = append(v.Steps, planStep{Do: "delete", What: o.Key, Why: o.Why, Bytes: o.Bytes})
	}
	return v
}

func remoteGCText(p *remote.GCPlan, failed []remote.Failure, dryRun bool, t *cli.Text) {
	var rows [][]cli.Cell
	for _, r := range gcVersions(p) {
		word := cli.Word(cli.RolePass, "stays")
		if !r.Stays {
			word = cli.Word(cli.RoleWarn, "goes")
		}
		rows = append(rows, []cli.Cell{word, cli.Path(r.Path), cli.ID(r.root), cli.Str(r.Why)})
	}
	count := map[string][2]int64{}
	for _, k := range p.Packs {
		c := count[k.Do]
		count[k.Do] = [2]int64{c[0] + 1, c[1] + k.Bytes}
	}
	for _, do := range []string{"keep", "spare", "rewrite", "condemn", "wait", "drop", "delete"} {
		if c := count[do]; c[0] > 0 {
			rows = append(rows, []cli.Cell{cli.Str(do), cli.Num(c[0], "pack"), cli.Bytes(c[1])})
		}
	}
	if n := len(p.Objects); n > 0 {
		rows = append(rows, []cli.Cell{cli.Str("delete"), cli.Num(int64(n), "object"), cli.Str("replaced, or named by nothing")})
	}
	t.Rows(0, rows)
	for _, f := range failed {
		t.Line(cli.Word(cli.RoleFail, "not deleted"), cli.Str(f.Key), cli.Str(f.Cause.Error()))
	}
	freed := "freed"
	if dryRun {
		freed = "would free"
	}
	t.Line(cli.Str(freed), cli.Bytes(p.Freed))
	if p.Later > 0 && !p.After.IsZero() {
		t.Line(cli.Str("condemned"), cli.Bytes(p.Later), cli.Fmt("next step by the first gc after %s", cli.Str(p.After.UTC().Format(time.RFC3339))))
	}
}
