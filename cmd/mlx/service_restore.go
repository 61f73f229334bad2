package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/fault"
	"mlx/internal/snapshot"
)

type serviceRestoreOptions struct {
	services []string
	env      string
	dryRun   bool
}

func newServiceRestore(a *app) *cobra.Command {
	var o serviceRestoreOptions
	cmd := &cobra.Command{
		Use:   "restore [SERVICE…]",
		Short: "Bring services, or a whole environment, back from the records alone",
		Long: `On a new machine, after mlx pull: each service that does not run is started in the background, does what the records say, and the bytes
that it serves are compared with what they name. A service that runs is only looked at. How long each took is printed and recorded:
mlx log shows when the last drill was. Status 0: all are back, 1: some are not.`,
		Example: `mlx service restore flights --dry-run
mlx service restore --env production`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.services = args
			return serviceRestore(cmd.Context(), a, o)
		},
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return a.completeServices(cmd, nil, typed)
		},
	}
	a.takesEnvironment(cmd, &o.env)
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be started; change nothing")
	return cmd
}

func serviceRestore(ctx context.Context, a *app, o serviceRestoreOptions) error {
	all, err := a.whatToRestore(ctx, o)
	if err != nil {
		return err
	}
	if o.dryRun {
		return a.emitRestorePlan(ctx, all)
	}
	begun := a.now()
	for _, b := range all {
		b.begin(ctx)
	}
	for pending := true; pending; {
		pending = false
		for _, b := range all {
			pending = b.turn(ctx) || pending
		}
		if pending {
			all[0].sleep(ctx, 2*pokeEvery)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	took := a.now().Sub(begun)
	for _, b := range all {
		if err := b.note(ctx); err != nil {
			return err
		}
	}
	return a.emitRestored(o.env, all, took)
}

// whatToRestore are the services that are to be brought back, in the order of mlx.yaml.
func (a *app) whatToRestore(ctx context.Context, o serviceRestoreOptions) ([]*revival, error) {
	if len(o.services) == 0 && o.env == "" {
		return nil, fault.New(fault.Usage, "cannot restore: it names no service and no environment").Hint("mlx service restore --env production").
			Hint("mlx service list")
	}
	names, whole := o.services, len(o.services) == 0
	if whole {
		cfg, err := a.config()
		if err != nil {
			return nil, err
		}
		if _, err := cfg.In(o.env); err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot restore: %w", err)
		}
		names = cfg.Services.Names()
	}
	var all []*revival
	for _, name := range names {
		if err := inEnvironment(&name, o.env); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(b *revival) bool { return b.name == name }) {
			continue // it was named twice, and is started once
		}
		s, err := a.openService(name)
		if err != nil {
			return nil, err
		}
		b := &revival{served: s}
		if b.known, err = s.book.Service(ctx, name); err != nil {
			return nil, err
		}
		if b.known.Current == nil {
			if !whole {
				return nil, fault.New(fault.NotFound, "cannot restore %s: nothing is in service by the records that are here", name).Hint("mlx pull --no-checkout")
			}
			continue // it was never deployed to
		}
		if err := s.mayServe(ctx); err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	if len(all) == 0 {
		return nil, fault.New(fault.NotFound, "cannot restore %s: nothing is in service there by the records that are here", o.env).Hint("mlx pull --no-checkout")
	}
	return all, nil
}

// revival is a service that is brought back.
type revival struct {
	*served
	known  deploy.Service
	began  time.Time
	until  time.Time
	took   time.Duration
	pid    int        // of the process that was started
	ended  chan error // of the process that was started
	over   bool
	err    error // why it is not back
	url    string
	record string
}

// supervised says whether a process of this machine keeps the service running; else its target does what it is asked for.
func (s *served) supervised() bool {
	return !s.onKubernetes() && len(s.cfg.Hosts) == 0
}

// restoreSpare is what a service has to start beside the time of its servers.
const restoreSpare = time.Minute

// begin starts what does not run, or asks the target.
func (b *revival) begin(ctx context.Context) {
	b.began = b.app.now()
	b.until = b.began.Add(cmp.Or(b.cfg.StartTimeout.Duration, serverStarts) + restoreSpare)
	if !b.supervised() {
		err := b.reached(ctx, b.known)
		if err == nil {
			err = b.driver().Apply(ctx, b.known.Desired())
		}
		if !errors.Is(err, deploy.ErrStale) { // what it does instead is seen
			b.fail(err)
		}
		return
	}
	_, err := b.supervisor().Running(ctx)
	switch {
	case err == nil: // what it serves is what it was told, which may be older than the records here
		b.fail(b.restore(ctx))
	case errors.Is(err, local.ErrNotRunning):
		b.fail(b.start())
	default:
		b.fail(err)
	}
}

// fail ends it when there is an error.
func (b *revival) fail(err error) {
	if err != nil {
		b.over, b.err, b.took = true, err, b.app.now().Sub(b.began)
	}
}

// start runs the service in the background, in a session of its own: it goes on when this process and its terminal have ended.
func (b *revival) start() error {
	self, err := os.Executable()
	if err != nil {
		return fault.New(fault.Internal, "cannot find this program: %w", err)
	}
	r, err := b.app.repo()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(b.logName()), 0o700); err != nil {
		return fault.New(fault.KindOf(err), "cannot start %s: %w", b.name, err)
	}
	out, err := os.OpenFile(b.logName(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot start %s: %w", b.name, err)
	}
	defer out.Close()
	cmd := exec.Command(self, "-C", r.Root, "service", "run", b.name) //nolint:noctx // it goes on when this process has ended
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr, cmd.Env = out, out, ownSession(), b.app.unhanded()
	if err := cmd.Start(); err != nil {
		return fault.New(fault.KindOf(err), "cannot start %s: %w", b.name, err)
	}
	b.pid, b.ended = cmd.Process.Pid, make(chan error, 1)
	go func() { b.ended <- cmd.Wait() }()
	return nil
}

// logName is what a service that was started in the background prints to.
func (b *revival) logName() string { return filepath.Join(b.dir, "logs", "supervisor.log") }

// turn looks once; true: look again.
func (b *revival) turn(ctx context.Context) bool {
	if b.over {
		return false
	}
	select {
	case err := <-b.ended:
		how := "it was told to"
		if err != nil {
			how = err.Error()
		}
		b.fail(fault.New(fault.Unavailable, "mlx service run ended: %s", cmp.Or(lastOf(b.logName()), how)).Hint("cat %s", shellWord(b.logName())))
		return false
	default:
	}
	done, why := b.back(ctx)
	switch {
	case done:
		b.over = true
		b.fail(b.intact(ctx))
		b.took = b.app.now().Sub(b.began)
	case b.replaced():
		b.fail(fault.New(fault.Conflict, "a rollout is under way in which %s does not run", b.known.Current.Name()))
	case b.app.now().After(b.until):
		b.fail(fault.New(fault.Unavailable, "after %s: %s", b.until.Sub(b.began), why))
	}
	return !b.over
}

// replaced says that a rollout has taken what is in service away: its servers are not waited for.
func (b *revival) replaced() bool {
	_, busy := b.known.Progress()
	return busy && b.known.Current != nil && !slices.ContainsFunc(b.known.Desired().Arms, func(a deploy.Arm) bool { return a.Release.Key == b.known.Current.Key })
}

// back says whether the service does what the records say, with all of its servers.
func (b *revival) back(ctx context.Context) (done bool, why string) {
	now, err := b.look(ctx)
	if err != nil {
		return false, err.Error()
	}
	b.known, b.url = now.known, now.url
	switch state := now.state(); state {
	case "down", "diverged", "empty":
		return false, cmp.Or(now.trouble, "it is "+state)
	}
	for _, arm := range now.seen.Arms {
		if b.known.Current != nil && arm.Key == b.known.Current.Key {
			why = arm.Trouble
			done = arm.Ready > 0 && arm.Ready >= arm.Replicas
		}
	}
	return done, cmp.Or(why, "its servers are not ready")
}

// intact compares the bytes that are served with what the records name: every one of them is read.
func (b *revival) intact(ctx context.Context) error {
	if !b.supervised() {
		return nil // whoever runs it there compares them
	}
	rel := *b.known.Current
	if key, err := deploy.KeyOf(rel); err != nil || key != rel.Key {
		return fault.New(fault.Integrity, "the record of %s does not name what it says", rel.Name())
	}
	store, err := b.app.store()
	if err != nil {
		return err
	}
	at := releaseDir(b.dir, rel)
	if len(rel.Stages) == 0 {
		if err := b.intactModel(ctx, store, rel, filepath.Join(at, "model")); err != nil {
			return err
		}
	}
	for _, stage := range rel.Stages {
		switch {
		case stage.List == nil:
			part := deploy.Release{Model: stage.Model, Version: stage.Version, Record: stage.Record, Digest: stage.Digest}
			err = b.intactModel(ctx, store, part, filepath.Join(at, "stages", stage.Name))
		case !whole(filepath.Join(at, cascadeIndexes, stage.Name), listSource(rel, *stage.List)):
			err = fault.New(fault.Integrity, "what serves is not %s: the list of stage %s differs", rel.Name(), stage.Name)
		}
		if err != nil {
			return err
		}
	}
	code := snapshot.StatusOptions{Path: filepath.Join(at, "app"), Base: rel.Code, Kind: snapshot.Directory, Fresh: true}
	for change, err := range store.Status(ctx, code) {
		if err != nil {
			return err
		}
		if change.Action != snapshot.Added { // a server may write beside its code, as Python does
			return fault.New(fault.Integrity, "what serves is not the code of %s: %s differs", rel.Name(), change.Path)
		}
	}
	return nil
}

// intactModel compares the bytes of a model that lie in a folder with what its version names.
func (b *revival) intactModel(ctx context.Context, store *snapshot.Store, rel deploy.Release, models string) error {
	v, err := b.app.recordedVersion(ctx, rel)
	if err != nil {
		return err
	}
	model := snapshot.StatusOptions{Path: models, Base: v.Root, Kind: snapshot.Directory, Fresh: true}
	if v.Kind == string(snapshot.File) {
		model.Path, model.Kind = filepath.Join(models, path.Base(v.Path)), snapshot.File
	}
	for change, err := range store.Status(ctx, model) {
		if err != nil || change.Path != "" || change.Action != "" {
			return cmp.Or(err, error(fault.New(fault.Integrity, "what serves is not %s: %s differs", rel.Name(), cmp.Or(change.Path, v.Path))))
		}
	}
	return nil
}

// releaseDir is where a release of a service is laid out.
func releaseDir(dir string, rel deploy.Release) string {
	return filepath.Join(dir, "releases", rel.Key[:12])
}

// note writes down what came of it.
func (b *revival) note(ctx context.Context) error {
	rel := *b.known.Current
	last := b.known.Rollouts[len(b.known.Rollouts)-1]
	body := deploy.Restoration{Service: b.name, Rollout: last.ID, Generation: b.known.Desired().Generation, Release: rel.Key, Model: rel.Model, Version: rel.Version,
		Digest: rel.Digest, Started: b.pid > 0, Back: b.err == nil, Took: b.took, Actor: b.app.user()}
	if b.err != nil {
		body.Reason = b.err.Error()
	}
	rec, err := b.book.Restore(context.WithoutCancel(ctx), body)
	b.record = rec.ID.Hex()
	return err
}

// lastOf is what a command has said last that ended, which its hints follow; empty: it cannot be read.
func lastOf(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	if at := bytes.LastIndex(text, []byte("mlx: ")); at >= 0 {
		first, _, _ := strings.Cut(string(text[at+len("mlx: "):]), "\n")
		return first
	}
	return lastLine(text)
}
