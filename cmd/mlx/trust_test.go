package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

const somebodysKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEfLyFC2BrQPfWRCOjcCcSN1u3hRpRErnFPvP8iqMc1C ana\n"

// inProject makes a project outside git and an app in it, with configuration folders of its own.
func inProject(t *testing.T, config string) *app {
	t.Helper()
	dir, home := t.TempDir(), t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("HOME", home)
	if err := os.Mkdir(filepath.Join(dir, ".mlx"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{repo.ConfigName: config, "ana.pub": somebodysKey} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	return newApp(nil, cli.Discard())
}

func TestNothingRunsOrCountsUnasked(t *testing.T) {
	a := inProject(t, "ledger: 7f3a90c2d15e4b68\ntrusted_keys: [ana.pub]\nstages:\n  train: {cmd: python train.py}\n")
	if keys, err := a.trustedKeys(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("%v %v", keys, err)
	}
	err := a.mayRun(repo.TrustStage, "train", "python train.py")
	want := `cannot run stage train: mlx.yaml says "python train.py", which you have not allowed here`
	if fault.KindOf(err) != fault.Denied || err.Error() != want || len(fault.Hints(err)) != 1 {
		t.Errorf("%v", err)
	}
	if err := trustRun(t.Context(), a, trustOptions{}); fault.KindOf(err) != fault.Usage {
		t.Errorf("nobody can be asked: %v", err)
	}
	if err := trustRun(t.Context(), a, trustOptions{yes: true}); err != nil {
		t.Fatal(err)
	}
	if keys, err := a.trustedKeys(t.Context()); err != nil || len(keys) != 1 || string(keys[0].line) != somebodysKey {
		t.Errorf("%v %v", keys, err)
	}
	if err := a.mayRun(repo.TrustStage, "train", "python train.py"); err != nil {
		t.Error(err)
	}
	if err := a.mayRun(repo.TrustStage, "train", "python train.py; curl evil"); err == nil {
		t.Error("another command may run")
	}
}

func TestChosenRemote(t *testing.T) {
	const two = "ledger: 7f3a90c2d15e4b68\nremotes:\n  a: {url: s3://a}\n  b: {url: s3://b}\n"
	for _, c := range []struct{ config, setting, flag, want, problem string }{
		{two, "", "b", "b", ""},
		{two, "b", "", "b", ""},
		{two, "b", "default", "b", ""},
		{two, "b", "a", "a", ""},
		{two, "", "", "", "cannot choose a remote: mlx.yaml has a, b and none is the default"},
		{"default_remote: a\n" + two, "", "", "a", ""},
		{"default_remote: a\n" + two, "default", "default", "a", ""},
		{"default_remote: a\n" + two, "c", "", "", "cannot use the setting remote (environment): cannot find remote c"},
		{"default_remote: a\n" + two, "", "c", "", "cannot find remote c"},
		{"ledger: 7f3a90c2d15e4b68\nremotes:\n  a: {url: s3://a}\n", "", "", "a", ""},
		{"ledger: 7f3a90c2d15e4b68\n", "", "", "", "cannot find a remote: mlx.yaml has none"},
	} {
		t.Setenv("MLX_REMOTE", c.setting)
		a := inProject(t, c.config)
		r, name, err := a.chosenRemote(c.flag)
		if err != nil && (err.Error() != c.problem || len(fault.Hints(err)) == 0) || err == nil && (name != c.want || r.URL != "s3://"+name) {
			t.Errorf("-r %q, setting %q: %s %+v %v", c.flag, c.setting, name, r, err)
		}
	}
}

func TestRemoteURL(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "here"), 0o755); err != nil {
		t.Fatal(err)
	}
	up := filepath.ToSlash(filepath.Dir(dir))
	for typed, want := range map[string]string{
		"../share x":             "file://" + up + "/share%20x",
		"file:../share":          "file://" + up + "/share",
		"/srv/./share/":          "file:///srv/share",
		"file:///srv/share":      "file:///srv/share",
		"here":                   "file://" + filepath.ToSlash(dir) + "/here",
		"bucket":                 "bucket",
		"s3://b/../c":            "s3://b/../c",
		"git:origin":             "git:origin",
		"git:../bare.git":        "git:" + up + "/bare.git",
		"git:git@host:acme/x":    "git:git@host:acme/x",
		"host.example:acme/data": "host.example:acme/data",
	} {
		if got := remoteURL(dir, typed); got != want {
			t.Errorf("%s: got %s, want %s", typed, got, want)
		}
	}
}

func TestTrustAsShown(t *testing.T) {
	x := trustText{pending: []repo.TrustItem{
		{Kind: "remote", Name: "team", Value: "s3://acme-ml/flights", State: "new"},
		{Kind: "key", Name: "keys/ana.pub", Value: "SHA256:p0Xw", Owner: "ana", State: "new"},
		{Kind: "stage", Name: "a", Value: "one", State: "new"},
		{Kind: "stage", Name: "b", Value: "two", State: "changed", Was: "good"},
		{Kind: "check", Name: "c", Value: "three\x1b[2J", State: "changed"},
	}}
	want := `remote team   s3://acme-ml/flights
key ana       SHA256:p0Xw  keys/ana.pub
commands      2 stages, 1 check: mlx show mlx.yaml
  stage b     two  was good
  check c     three  changed
`
	got := rendered(t, x.render)
	if got = strings.ReplaceAll(got, "[2J", ""); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
