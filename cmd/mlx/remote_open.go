package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/remote"
	"mlx/internal/snapshot"
)

// gitScheme is that of a remote whose records travel on a ref of a git remote.
const gitScheme = "git"

// openRemote opens the remote that the word, the settings or mlx.yaml name, if this user has allowed it.
func (a *app) openRemote(ctx context.Context, name string) (*remote.Remote, error) {
	return a.openRemoteFor(ctx, name, a.store)
}

// openRemoteFor opens a remote that gives its data to, and takes it from, another store than that of the project.
func (a *app) openRemoteFor(ctx context.Context, name string, store func() (*snapshot.Store, error)) (*remote.Remote, error) {
	c, name, err := a.trustedRemote(ctx, name)
	if err != nil {
		return nil, err
	}
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	config, err := a.config()
	if err != nil {
		return nil, err
	}
	o := a.remoteOptions(name)
	o.ID, o.Recipients, o.Dir = config.Ledger, c.Encrypt, r.Remotes()
	if o.Store, err = store(); err != nil {
		return nil, err
	}
	if o.Ledger, err = a.ledger(); err != nil {
		return nil, err
	}
	o.Place, o.RecordsOnly = c.URL, c.Scheme() == gitScheme
	if o.RecordsOnly {
		o.Bucket, err = a.openLogRef(r, c)
	} else {
		o.Bucket, err = a.openBucket(ctx, c)
	}
	if err != nil {
		return nil, remoteTrouble(err, name)
	}
	opened, err := remote.Open(o)
	if err == nil {
		a.opened = append(a.opened, opened)
	}
	return opened, err
}

// traffic tells what a command has cost the remote.
func (a *app) traffic(r *remote.Remote) {
	requests, sent, received := r.Requests()
	a.streams.Why("%d requests to %s, %d bytes sent, %d bytes received", requests, r.Describe(), sent, received)
}

// remoteOptions is what every remote gets of this process.
func (a *app) remoteOptions(name string) remote.Options {
	return remote.Options{
		Name: name, Now: a.now, By: a.user(), Jobs: a.transfers(), Rand: rand.Reader, Identities: a.identities, Note: a.streams.Why,
		Progress: func(what string, total int64) remote.Progress { return a.streams.Progress(what, "bytes", total) },
	}
}

// defaultTransfers is how many requests are under way at once where no setting says it.
const defaultTransfers = 8

func (a *app) transfers() int {
	settings, err := a.settings()
	if err != nil {
		return defaultTransfers
	}
	jobs, _ := settings.Get("jobs")
	if n, _ := strconv.Atoi(jobs); n > 0 {
		return n
	}
	return defaultTransfers
}

// remoteTrouble adds to an error of a remote what helps to find its cause.
func remoteTrouble(err error, name string) error {
	switch fault.KindOf(err) {
	case fault.Denied, fault.NotFound:
		if len(fault.Hints(err)) == 0 && name != "" {
			return fault.New(fault.KindOf(err), "%w", err).Hint("mlx remote check %s   # shows where credentials were looked for", name)
		}
	default:
	}
	return err
}

// identities returns the texts of the keys that may open an encrypted remote: the file that MLX_IDENTITY names, else
// identity.txt beside the user's settings, and the SSH keys of the user.
func (a *app) identities() ([][]byte, error) {
	var files []string
	if own := os.Getenv("MLX_IDENTITY"); own != "" {
		files = append(files, own)
	} else if dir, err := os.UserConfigDir(); err == nil {
		files = append(files, filepath.Join(dir, "mlx", "identity.txt"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		for _, name := range []string{"id_ed25519", "id_rsa"} {
			files = append(files, filepath.Join(home, ".ssh", name))
		}
	}
	var keys [][]byte
	for i, file := range files {
		b, err := a.readFile(file, maxIdentity)
		if errors.Is(err, fs.ErrNotExist) && (i > 0 || os.Getenv("MLX_IDENTITY") == "") {
			continue
		}
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot read the key in %s: %w", file, err)
		}
		keys = append(keys, b)
	}
	if len(keys) == 0 {
		return nil, fault.New(fault.Denied, "the remote is encrypted, and there is no key in %s", strings.Join(files, ", ")).
			Hint("export MLX_IDENTITY=FILE   # an age identity or an SSH key")
	}
	return keys, nil
}

const maxIdentity = 1 << 20
