package ray

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"hash"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strconv"

	"mlx/internal/fault"
	"mlx/internal/train"
)

// Bounds of packages. Ray's dashboard takes 100 MiB in a request and its head keeps packages in memory.
const (
	partSize  = 64 << 20
	maxUpload = 100 << 20
	maxBundle = 2 << 30
)

// Names in the packages of a job.
const (
	JobFolder    = "mlx-job"    // OrderName, SecretsName and EnvName
	BundleFolder = "mlx-bundle" // parts of the bundle, called by their number
	EnvName      = "env"        // NAME=VALUE of the agent, each followed by a zero byte
)

// scripts are what mlx needs on a node of Ray beside itself.
//
//go:embed node/mlx-start node/relay.py node/kill.py node/launch.py
var scripts embed.FS

var scriptNames = [...]string{"mlx-start", "relay.py", "kill.py", "launch.py"}

// uri is what Ray calls a package.
func uri(name string) string { return "gcs://" + name }

// packageName names a package by what is in it. Ray caches packages on nodes by their name.
func packageName(h hash.Hash) string {
	return "_ray_pkg_" + hex.EncodeToString(h.Sum(nil)[:16]) + ".zip"
}

// sendAgent uploads mlx and its scripts, once for each version. It returns the digest of mlx and the package.
func (d *Driver) sendAgent(ctx context.Context) (digest, pkg string, err error) {
	file, err := d.agent()
	if err != nil {
		return "", "", err
	}
	f, err := os.Open(file)
	if err != nil {
		return "", "", fault.New(fault.KindOf(err), "cannot read the mlx for the nodes of %s: %w", d.backend.Name, err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", "", fault.New(fault.KindOf(err), "cannot read the mlx for the nodes of %s: %w", d.backend.Name, err)
	}
	digest = hex.EncodeToString(h.Sum(nil)[:8])
	for _, name := range scriptNames {
		text, err := scripts.ReadFile(path.Join("node", name))
		if err != nil {
			return "", "", err
		}
		h.Write([]byte(name + "\x00" + strconv.Itoa(len(text)) + "\x00"))
		h.Write(text)
	}
	name := packageName(h)
	return digest, uri(name), d.send(ctx, name, func() ([]byte, error) { return agentZip(f) })
}

// agentZip makes the package of mlx and its scripts.
func agentZip(f *os.File) ([]byte, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := entry(z, "mlx", zip.Deflate, 0o755)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(w, f); err != nil {
		return nil, err
	}
	for _, name := range scriptNames {
		text, err := scripts.ReadFile(path.Join("node", name))
		if err != nil {
			return nil, err
		}
		if err := put(z, name, 0o755, text); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func entry(z *zip.Writer, name string, method uint16, mode os.FileMode) (io.Writer, error) {
	h := &zip.FileHeader{Name: name, Method: method}
	h.SetMode(mode)
	return z.CreateHeader(h)
}

func put(z *zip.Writer, name string, mode os.FileMode, text []byte) error {
	w, err := entry(z, name, zip.Deflate, mode)
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}

// send uploads a package that the cluster lacks. To ask for it makes Ray keep it for some minutes, whether a job refers to
// it or not.
func (d *Driver) send(ctx context.Context, name string, make func() ([]byte, error)) error {
	at := "/api/packages/gcs/" + name
	resp, err := d.api.do(ctx, call{method: http.MethodGet, path: at})
	if err == nil {
		return resp.Body.Close()
	}
	if !missing(err) {
		return err
	}
	text, err := make()
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot pack what a job on %s needs: %w", d.backend.Name, err)
	}
	if len(text) > maxUpload {
		return fault.New(fault.Usage, "cannot upload %d MiB to %s: Ray takes at most 100 MiB at a time", len(text)>>20, d.backend.Name).
			Hint("mlx config set backends.%s.agent FILE   # an mlx without debugging information", d.backend.Name)
	}
	return d.api.upload(ctx, name, text)
}

// upload stores bytes at the head.
func (a api) upload(ctx context.Context, name string, text []byte) error {
	body := func() (io.ReadCloser, int64, error) {
		return io.NopCloser(bytes.NewReader(text)), int64(len(text)), nil
	}
	resp, err := a.do(ctx, call{method: http.MethodPut, path: "/api/packages/gcs/" + name, body: body, kind: "application/octet-stream"})
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// sendJob uploads the order of a job with its secrets, and the versions that it needs.
func (d *Driver) sendJob(ctx context.Context, j train.Job) ([]string, error) {
	text, err := jobZip(j)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	h.Write(text)
	name := packageName(h)
	if err := d.send(ctx, name, func() ([]byte, error) { return text, nil }); err != nil {
		return nil, err
	}
	all := []string{uri(name)}
	if j.Bundle == nil {
		return all, nil
	}
	parts := &parts{ctx: ctx, d: d}
	if err := j.Bundle(parts); err != nil {
		return nil, err
	}
	if err := parts.flush(); err != nil {
		return nil, err
	}
	return append(all, parts.uris...), nil
}

// jobZip makes the package of a job. The agent removes the secrets from it as soon as it has read them.
func jobZip(j train.Job) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	files := map[string][]byte{train.OrderName: j.Order, train.SecretsName: words(j.Secrets), EnvName: words(j.Env)}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := put(z, path.Join(JobFolder, name), 0o600, files[name]); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func words(m map[string]string) []byte {
	var out []byte
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, name+"="+m[name]+"\x00"...)
	}
	return out
}

// parts cuts a bundle into packages.
type parts struct {
	ctx   context.Context //nolint:containedctx // of one upload, which io.Writer has no place for
	d     *Driver
	part  []byte
	uris  []string
	total int64
}

func (p *parts) Write(b []byte) (int, error) {
	n := len(b)
	p.total += int64(n)
	if p.total > maxBundle {
		return 0, fault.New(fault.Usage, "cannot send more than %d GiB with a job on %s: the head of Ray would keep it in memory", maxBundle>>30, p.d.backend.Name).
			Hint("mlx config set backends.%s.remote NAME   # the node fetches data from there", p.d.backend.Name)
	}
	for len(b) > 0 {
		k := min(len(b), partSize-len(p.part))
		p.part, b = append(p.part, b[:k]...), b[k:]
		if len(p.part) == partSize {
			if err := p.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (p *parts) flush() error {
	if len(p.part) == 0 {
		return nil
	}
	number := strconv.Itoa(len(p.uris))
	h := sha256.New()
	h.Write([]byte(number + "\x00"))
	h.Write(p.part)
	name := packageName(h)
	err := p.d.send(p.ctx, name, func() ([]byte, error) {
		var out bytes.Buffer
		z := zip.NewWriter(&out)
		w, err := entry(z, path.Join(BundleFolder, number), zip.Store, 0o600) // it is compressed already
		if err == nil {
			_, err = w.Write(p.part)
		}
		if err == nil {
			err = z.Close()
		}
		return out.Bytes(), err
	})
	p.uris, p.part = append(p.uris, uri(name)), p.part[:0]
	return err
}
