package main

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

// lightRemote opens a remote to read versions of it and nothing else: no records, and what is fetched goes to a store
// that is removed afterwards.
func (a *app) lightRemote(ctx context.Context, o *origin, name, url string) (*remote.Remote, error) {
	parent := ""
	if r, err := a.repo(); err == nil {
		parent = r.Tmp()
	}
	dir, err := o.scratch(parent)
	if err != nil {
		return nil, err
	}
	o.dir, o.empty = path.Join(dir, "store"), true
	if o.store, err = snapshot.Open(snapshot.Options{Dir: o.dir, Index: path.Join(dir, "index"), Now: a.now,
		Clone: snapshot.Clone{ID: strings.Repeat("0", 32), Dir: dir}}); err != nil {
		return nil, err
	}
	o.closes = append(o.closes, o.store.Close)
	options := a.remoteOptions(name)
	options.Place, options.Dir, options.Store = url, path.Join(dir, "remotes"), o.store
	if options.Bucket, err = a.openBucket(ctx, repo.Remote{URL: url}); err != nil {
		return nil, err
	}
	opened, err := remote.Open(options)
	if err != nil {
		return nil, err
	}
	o.closes = append(o.closes, opened.Close)
	o.remote = func(context.Context) (*remote.Remote, error) { return opened, nil }
	return opened, nil
}

// lightNewest is lightRemote that has read all of the log.
func (a *app) lightNewest(ctx context.Context, o *origin, name, url string) (*remote.Remote, error) {
	r, err := a.lightRemote(ctx, o, name, url)
	if err != nil {
		return nil, err
	}
	_, err = r.Sync(ctx)
	return r, notRead(err, r)
}

func notRead(err error, r *remote.Remote) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.KindOf(err), "cannot read %s: %w", r.Describe(), remoteTrouble(err, r.Name()))
}

// findInBucket finds [REF:]PATH in a remote that the user has named by its address, which is his own word for it.
func (a *app) findInBucket(ctx context.Context, s fromPlace, typed string) (piece, error) {
	o := &origin{place: s.typed}
	p := piece{from: o}
	r, err := a.lightNewest(ctx, o, "", s.value)
	if err == nil {
		p.located, err = inRemote(r, typed)
	}
	if err != nil {
		return p, errors.Join(err, o.close())
	}
	return p, nil
}

// inRemote finds [REF:]PATH among the versions of a remote: REF is a digest, and without it the newest version counts
// that holds PATH.
func inRemote(r *remote.Remote, typed string) (located, error) {
	ref := readRef(typed)
	if prefix, err := object.ParsePrefix(ref.word); err == nil && (ref.kind == "" || ref.kind == refSnapshot) {
		root, err := r.Find(prefix)
		if err == nil {
			return located{Path: root.Path, Root: root.Root, Inner: ref.inner}, nil
		}
		if ref.inner != "" || ref.kind != "" {
			return located{}, fault.New(fault.KindOf(err), "cannot resolve %q: %w", typed, err)
		}
	} else if ref.inner != "" {
		return located{}, fault.New(fault.Usage, "cannot resolve %q: a remote knows versions by their digests only", typed).
			Hint("mlx ls --from %s   # lists the newest of each path", shellWord(r.Describe()))
	}
	name := path.Clean(strings.Trim(strings.TrimPrefix(ref.word, "./"), "/"))
	root, ok := r.Newest(name)
	if !ok {
		return located{}, fault.New(fault.NotFound, "cannot find %s in %s: no version there holds this path", name, r.Describe()).
			Hint("mlx ls --from %s   # lists what it has", shellWord(r.Describe()))
	}
	return located{Path: root.Path, Root: root.Root, Inner: strings.TrimPrefix(strings.TrimPrefix(name, root.Path), "/")}, nil
}

// findInGit finds [REV:]PATH in a git repository elsewhere: its pointer file names the version, its mlx.yaml the remote
// that has it. What a file names is contacted only if the user has allowed exactly that before.
func (a *app) findInGit(ctx context.Context, s fromPlace, typed string) (piece, error) {
	rev, name, ok := strings.Cut(typed, ":")
	if !ok {
		rev, name = "HEAD", typed
	}
	name = path.Clean(strings.Trim(name, "/"))
	o := &origin{place: s.typed}
	p, err := a.peek(ctx, o, s, rev)
	if err != nil {
		return piece{}, errors.Join(err, o.close())
	}
	found, err := pointerOf(ctx, p, name)
	if err != nil {
		return piece{}, errors.Join(a.noPointer(err, s, typed, name), o.close())
	}
	got := piece{located: found, commit: p.Commit, from: o}
	if err := a.openNamed(ctx, got, p, s); err != nil {
		return piece{}, errors.Join(err, o.close())
	}
	return got, nil
}

// peek fetches one commit of a git repository elsewhere.
func (a *app) peek(ctx context.Context, o *origin, s fromPlace, rev string) (*repo.Peek, error) {
	tmp, err := o.scratch("")
	if err != nil {
		return nil, err
	}
	return repo.OpenPeek(ctx, tmp, s.value, rev)
}

// pointerOf finds the pointer file that a path belongs to, nearest first.
func pointerOf(ctx context.Context, p *repo.Peek, name string) (located, error) {
	for at := name; ; at = path.Dir(at) {
		text, err := p.Read(ctx, at+repo.PointerExt)
		if err == nil {
			pointer, err := snapshot.ParsePointer(text)
			if err != nil {
				return located{}, fault.New(fault.KindOf(err), "cannot read %s: %w", at+repo.PointerExt, err)
			}
			return located{Path: at, Root: pointer.Root, Inner: strings.TrimPrefix(strings.TrimPrefix(name, at), "/")}, nil
		}
		if path.Dir(at) == at || path.Dir(at) == "." || !errors.Is(err, fs.ErrNotExist) {
			return located{}, err
		}
	}
}

func (a *app) noPointer(err error, s fromPlace, typed, name string) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	ref := ""
	if rev, _, ok := strings.Cut(typed, ":"); ok {
		ref = " " + shellWord(rev+":")
	}
	return fault.New(fault.NotFound, "cannot find %s in %s: no data there has this path", name, repo.PlainURL(s.typed)).
		Hint("mlx ls --from %s%s   # lists its data", shellWord(repo.PlainURL(s.typed)), ref)
}

// openNamed opens the remote that the mlx.yaml of a commit names, if the user has allowed its address anywhere.
func (a *app) openNamed(ctx context.Context, got piece, p *repo.Peek, s fromPlace) error {
	config, err := p.Config(ctx, got.Path)
	if err != nil {
		return err
	}
	c, name, err := config.FindRemote("")
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read %s: %w", repo.PlainURL(s.typed), err)
	}
	if c.Scheme() == gitScheme {
		return fault.New(fault.NotFound, "cannot read %s: its remote %s shares records only", repo.PlainURL(s.typed), name)
	}
	allowed, err := repo.AllowedAnywhere(userDir(), repo.TrustRemote, c.TrustValue())
	if err != nil {
		return err
	}
	if !allowed {
		word := got.Root.Short()
		if got.Inner != "" {
			word += ":" + got.Inner
		}
		return fault.New(fault.Denied, "cannot use remote %s: %s of %s names %s, which you have not allowed", name, repo.ConfigName,
			repo.PlainURL(s.typed), c.TrustValue()).About(got.ref()).
			Hint("mlx get --from %s %s   # to name it is to allow it, once", shellWord(c.URL), shellWord(word)).
			Hint("git clone %s && mlx trust   # in the clone: from then on", shellWord(repo.PlainURL(s.typed)))
	}
	r, err := a.lightRemote(ctx, got.from, name, c.URL)
	if err != nil {
		return err
	}
	if err := r.Look(ctx, got.Root); err != nil {
		return notRead(err, r)
	}
	if !r.Holds(got.Root) {
		return fault.New(fault.NotFound, "cannot get %s: %s has no version %s of it: nobody has pushed it", got.name(), r.Describe(), got.Root.Short()).
			About(got.ref()).Hint("mlx push %s   # on the machine that made it", shellWord(got.Path))
	}
	return nil
}
