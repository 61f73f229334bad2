//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"syscall"

	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
)

// artifactBytes is the size of the file that is sent and fetched.
const artifactBytes = 200 << 20

// artifacts sends a file and fetches it, from the disk while its run goes on and from the store when that is over.
func (b *bench) artifacts() error {
	var seed [32]byte
	file := make([]byte, artifactBytes)
	if _, err := rand.NewChaCha8(seed).Read(file); err != nil {
		return err
	}
	text, err := b.ask(http.MethodPost, "runs/create", `{"experiment_id":"0"}`)
	if err != nil {
		return err
	}
	run, err := between(text, `"run_id":"`, `"`)
	if err != nil {
		return err
	}
	place := "/api/2.0/mlflow-artifacts/artifacts/0/" + run + "/artifacts/model.bin"
	if err := b.times("200 MB sent", 1, func(int) error { return b.send(place, file) }); err != nil {
		return err
	}
	want := sha256.Sum256(file)
	if err := b.times("200 MB fetched, the run goes on", 1, func(int) error { return b.fetch(place, want) }); err != nil {
		return err
	}
	if err := b.times("its run ended and saved", 1, func(int) error {
		_, err := b.ask(http.MethodPost, "runs/update", `{"run_id":"`+run+`","status":"FINISHED","end_time":1795447682067}`)
		return err
	}); err != nil {
		return err
	}
	err = b.times("200 MB fetched from the store", 1, func(int) error { return b.fetch(place, want) })
	b.figures[len(b.figures)-1].note = memoryOf(b.pid)
	return err
}

func (b *bench) send(place string, file []byte) error {
	req, err := http.NewRequest(http.MethodPut, b.url+place, bytes.NewReader(file))
	if err != nil {
		return err
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("sent: %s", resp.Status)
	}
	return nil
}

func (b *bench) fetch(place string, want [sha256.Size]byte) error {
	resp, err := b.http.Get(b.url + place)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, resp.Body); err != nil {
		return err
	}
	if got := sum.Sum(nil); resp.StatusCode != http.StatusOK || !bytes.Equal(got, want[:]) {
		return fmt.Errorf("fetched: %s, %x", resp.Status, got)
	}
	return nil
}

// How large the registry is that is asked.
const (
	manyModels   = 5000
	manyVersions = 20
)

// fillModels writes models with versions into a ledger.
func fillModels(ctx context.Context, dir string) error {
	o, err := openIn(dir)
	if err != nil {
		return err
	}
	defer o.Ledger.Close() //nolint:errcheck // it is sealed
	for i := range manyModels {
		name := fmt.Sprintf("model-%05d", i)
		in := []lineage.Input{registry.Named(name)}
		drafts := []lineage.Draft{registry.Described.Draft(lineage.Entry[registry.Description]{Body: registry.Description{Model: name, Created: true}, In: in})}
		for v := range manyVersions {
			d := object.Sum(fmt.Appendf(nil, "%d %d", i, v))
			drafts = append(drafts, registry.Registered.Draft(lineage.Entry[registry.Registration]{Body: registry.Registration{
				Model: name, Version: v + 1, Root: d, Digest: d, Kind: "directory", Format: "sklearn", Source: "models:/m-" + d.Hex()[:32],
			}, In: in}))
		}
		if _, err := o.Ledger.AppendAll(ctx, drafts...); err != nil {
			return err
		}
	}
	return o.Ledger.Seal(ctx)
}

// measureRegistry asks a server about a large registry.
func measureRegistry(ctx context.Context, self, dir string) ([]figure, error) {
	dir = filepath.Join(dir, "models")
	if err := fillModels(ctx, dir); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "child-serve", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	at, _, err := begin(cmd, "")
	if cmd.Process != nil {
		defer func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}()
	}
	if err != nil {
		return nil, err
	}
	b := &bench{client: newClient(at), pid: cmd.Process.Pid}
	get := func(path string) func(int) error {
		return func(i int) error {
			_, err := b.ask(http.MethodGet, fmt.Sprintf(path, (i*911)%manyModels), "")
			return err
		}
	}
	post := func(path, body string) func(int) error {
		return func(i int) error {
			_, err := b.ask(http.MethodPost, path, fmt.Sprintf(body, (i*911)%manyModels))
			return err
		}
	}
	search := "registered-models/search?filter="
	for _, step := range []struct {
		name string
		n    int
		do   func(int) error
	}{
		{"registry: get a model", 50, get("registered-models/get?name=model-%05d")},
		{"registry: get a version", 50, get("model-versions/get?version=7&name=model-%05d")},
		{"registry: latest versions", 50, get("registered-models/get-latest-versions?name=model-%05d")},
		{"registry: download URI", 50, get("model-versions/get-download-uri?version=7&name=model-%05d")},
		{"registry: set an alias", 20, post("registered-models/alias", `{"name":"model-%05d","alias":"champion","version":"3"}`)},
		{"registry: get an alias", 20, get("registered-models/alias?alias=champion&name=model-%05d")},
		{"registry: move a stage", 20, post("model-versions/transition-stage", `{"name":"model-%05d","version":"3","stage":"Production"}`)},
		{"registry: versions of a model", 50, get("model-versions/search?filter=name%%3D%%27model-%05d%%27")},
		{"registry: first search", 1, get(search + "name+LIKE+%%27%%25%05d%%27")},
		{"registry: search by pattern", 20, get(search + "name+LIKE+%%27model-_%04d%%27")},
		{"registry: register a version", 20, post("model-versions/create", `{"name":"model-%05d","source":"s3://bucket/model"}`)},
	} {
		if err := b.times(step.name, step.n, step.do); err != nil {
			return nil, err
		}
	}
	b.figures[len(b.figures)-1].note = memoryOf(b.pid)
	return b.figures, nil
}
