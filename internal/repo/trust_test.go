package repo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
)

const anaKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEfLyFC2BrQPfWRCOjcCcSN1u3hRpRErnFPvP8iqMc1C ana\n"
const liKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL7v2m0cTq3yBnP0vJHkV1uXKp6Yt0kWfYqS3k8oZ9dE li\n"

func trustOf(t *testing.T, r *Repo, userDir string) *Trust {
	t.Helper()
	trust, err := r.OpenTrust(userDir)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

func TestTrustItems(t *testing.T) {
	c, err := ParseConfig([]byte(`
remotes:
  team: {url: "s3://a", encrypt: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]}
backends:
  gpu: {type: slurm, host: login}
  here: {type: local}
trusted_keys: [ana.pub, again.pub]
stages:
  a.b: {cmd: one}
gates:
  g: {checks: [{metric: m, min: 1}, {command: judge}, {command: judge}]}
services:
  s: {model: m, cmd: serve, rollout: {checks: [{command: probe}]}}
environments:
  staging: {stages.a.b.cmd: two, services.s.cmd: serve, remotes.team.url: "s3://b", backends.gpu.host: other}
`))
	if err != nil {
		t.Fatal(err)
	}
	items, err := c.TrustItems(func(string) ([]byte, error) { return []byte("# a comment\n\n" + anaKey), nil })
	if err != nil {
		t.Fatal(err)
	}
	const age = " encrypted for age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
	const print = "SHA256:aEU/fCVGfgq7h9qfYsXIQvE8uaYsOs+Rou+K4Z4oeiI" // as ssh-keygen -l prints it
	want := []TrustItem{
		{Kind: "remote", Name: "team", Value: "s3://a" + age}, {Kind: "remote", Name: "team", Value: "s3://b" + age},
		{Kind: "backend", Name: "gpu", Value: "slurm login"}, {Kind: "backend", Name: "gpu", Value: "slurm other"},
		{Kind: "key", Name: "ana.pub", Value: print, Owner: "ana"}, {Kind: "key", Name: "again.pub", Value: print, Owner: "ana"},
		{Kind: "stage", Name: "a.b", Value: "one"}, {Kind: "stage", Name: "a.b", Value: "two"},
		{Kind: "check", Name: "g", Value: "judge"}, {Kind: "check", Name: "s", Value: "probe"},
		{Kind: "service", Name: "s", Value: "serve"},
	}
	if diff := cmp.Diff(want, items); diff != "" {
		t.Error(diff)
	}
}

func TestTrustIsExact(t *testing.T) {
	r, user := project(t, "ledger: 7f3a90c2d15e4b68\n"), t.TempDir()
	trust := trustOf(t, r, user)
	team := TrustItem{Kind: TrustRemote, Name: "team", Value: "s3://a"}
	if trust.Approved(team.Kind, team.Name, team.Value) {
		t.Error("allowed before it was")
	}
	if err := trust.Approve(team); err != nil {
		t.Fatal(err)
	}
	again := trustOf(t, r, user)
	for _, c := range []struct {
		kind, name, value string
		want              bool
	}{
		{"remote", "team", "s3://a", true}, {"remote", "team", "s3://a/", false}, {"remote", "other", "s3://a", false},
		{"stage", "team", "s3://a", false}, {"remote", "team", "", false},
	} {
		if got := again.Approved(c.kind, c.name, c.value); got != c.want {
			t.Errorf("%s %s %s: %v", c.kind, c.name, c.value, got)
		}
	}
	items := []TrustItem{team, {Kind: "remote", Name: "team", Value: "s3://b"}, {Kind: "stage", Name: "x", Value: "y"}}
	again.Judge(items)
	if items[0].State != "approved" || items[1].State != "changed" || items[1].Was != "s3://a" || items[2].State != "new" {
		t.Errorf("%+v", items)
	}
	if err := again.Forget("remote", "team"); err != nil || trustOf(t, r, user).Approved(team.Kind, team.Name, team.Value) {
		t.Errorf("not forgotten: %v", err)
	}
}

// TestTrustStaysHome: nothing that comes with a repository allows anything: not a copied state folder in another place of
// the user's, not another ledger, not another user's folder.
func TestTrustStaysHome(t *testing.T) {
	r, user := project(t, "ledger: 7f3a90c2d15e4b68\n"), t.TempDir()
	if err := trustOf(t, r, user).Approve(TrustItem{Kind: "stage", Name: "s", Value: "x"}); err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]*Trust{
		"another user":  trustOf(t, r, t.TempDir()),
		"another clone": trustOf(t, project(t, "ledger: 7f3a90c2d15e4b68\n"), user),
		"no user":       trustOf(t, r, ""),
	} {
		if other.Approved("stage", "s", "x") {
			t.Errorf("%s allows it", name)
		}
	}
	writeFile(t, filepath.Join(r.Root, ConfigName), "ledger: 0000000000000000\n")
	if trustOf(t, r, user).Approved("stage", "s", "x") {
		t.Error("another ledger allows it")
	}
	if err := trustOf(t, r, "").Approve(TrustItem{Kind: "stage", Name: "s", Value: "x"}); fault.KindOf(err) != fault.Denied {
		t.Errorf("without a home folder: %v", err)
	}
	files, _ := filepath.Glob(filepath.Join(user, "mlx", "trusted", "*.json"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	if info, err := os.Stat(files[0]); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	writeFile(t, filepath.Join(r.Root, ConfigName), "ledger: 7f3a90c2d15e4b68\n")
	for _, damaged := range []string{"", "{", `{"v":2}`} {
		writeFile(t, files[0], damaged)
		if _, err := r.OpenTrust(user); fault.KindOf(err) != fault.Integrity || len(fault.Hints(err)) != 1 {
			t.Errorf("%q: %v", damaged, err)
		}
	}
}

func TestTrustAtOnce(t *testing.T) {
	r, user := project(t, "ledger: 7f3a90c2d15e4b68\n"), t.TempDir()
	var all sync.WaitGroup
	for _, name := range strings.Split("abcdefgh", "") {
		trust := trustOf(t, r, user)
		all.Go(func() {
			if err := trust.Approve(TrustItem{Kind: "stage", Name: name, Value: "x"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	trust := trustOf(t, r, user)
	for _, name := range strings.Split("abcdefgh", "") {
		if !trust.Approved("stage", name, "x") {
			t.Errorf("%s was lost", name)
		}
	}
}

func TestTrustedKey(t *testing.T) {
	r, user := project(t, "ledger: 7f3a90c2d15e4b68\ntrusted_keys: [ana.pub]\n"), t.TempDir()
	writeFile(t, filepath.Join(r.Root, "ana.pub"), anaKey+liKey)
	trust := trustOf(t, r, user)
	if key, err := r.TrustedKey(trust, "ana.pub"); err != nil || key != nil {
		t.Errorf("not allowed, and yet %s %v", key, err)
	}
	c, err := r.Config()
	if err != nil {
		t.Fatal(err)
	}
	items, err := c.TrustItems(r.ReadKey)
	if err != nil || len(items) != 1 {
		t.Fatal(items, err)
	}
	if err := trust.Approve(items...); err != nil {
		t.Fatal(err)
	}
	if key, err := r.TrustedKey(trust, "ana.pub"); err != nil || string(key) != anaKey {
		t.Errorf("got %s %v: a second key in the file was not allowed", key, err)
	}
	writeFile(t, filepath.Join(r.Root, "ana.pub"), liKey)
	if key, err := r.TrustedKey(trust, "ana.pub"); err != nil || key != nil {
		t.Errorf("another key: %s %v", key, err)
	}
	outside := filepath.Join(t.TempDir(), "key.pub")
	writeFile(t, outside, anaKey)
	if err := os.Symlink(outside, filepath.Join(r.Root, "link.pub")); err != nil {
		t.Skip(err)
	}
	if key, err := r.TrustedKey(trust, "link.pub"); err == nil {
		t.Errorf("a link led out of the project to %s", key)
	}
	if _, err := ParseConfig([]byte("trusted_keys: [../ana.pub]\n")); fault.KindOf(err) != fault.Usage {
		t.Errorf("a path out of the project: %v", err)
	}
}

func TestTrustItemsAt(t *testing.T) {
	dir := tempDir(t)
	gitIn(t, dir, "init", "-q")
	writeFile(t, filepath.Join(dir, ConfigName), "ledger: 7f3a90c2d15e4b68\ntrusted_keys: [ana.pub]\nremotes:\n  team: {url: s3://a}\n")
	writeFile(t, filepath.Join(dir, "ana.pub"), anaKey)
	gitIn(t, dir, "add", "-A")
	gitIn(t, dir, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one")
	r, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, ConfigName), "remotes:\n  team: {url: s3://evil}\n")
	writeFile(t, filepath.Join(dir, "ana.pub"), liKey)
	items, err := r.TrustItemsAt(t.Context(), "HEAD")
	if err != nil || len(items) != 2 || items[0].Value != "s3://a" || items[1].Owner != "ana" {
		t.Errorf("%+v %v", items, err)
	}
	if _, err := r.TrustItemsAt(t.Context(), "nowhere"); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.TrustItemsAt(ctx, "HEAD"); !errors.Is(err, context.Canceled) && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func FuzzTrust(f *testing.F) {
	f.Add([]byte(`{"v":1,"root":"/x","allowed":[{"kind":"remote","name":"team","value":"s3://a"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if all, err := decodeTrust(text); err == nil && all == nil {
			t.Error("neither values nor an error")
		}
	})
}

func FuzzSSHKey(f *testing.F) {
	f.Add([]byte(anaKey))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := sshKey(text)
		if err != nil {
			return
		}
		again, err := sshKey(key.line)
		if err != nil || again.fingerprint != key.fingerprint {
			t.Errorf("%q is read as %q, and that as another key: %v", text, key.line, err)
		}
	})
}

func FuzzRemote(f *testing.F) {
	f.Add("s3://b?endpoint=http://h", "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p")
	f.Fuzz(func(t *testing.T, url, recipient string) {
		if CheckURL(url) == nil && strings.Contains(url, "::") && strings.HasPrefix(url, "git:") {
			t.Errorf("%q could run a command", url)
		}
		_ = CheckRecipient(recipient)
	})
}

func TestTrustOfMonitors(t *testing.T) {
	c, err := ParseConfig([]byte(`
monitors:
  m:
    current: "https://a/{date}.csv"
    window: 1d
    reference: b.csv
    model: f@production
    on_drift: {run: retrain, command: tell, webhook: "https://hook", github_issue: acme/f}
    predictions: {table: log.csv, reference: "https://a/good.csv"}
    golden: {table: "https://a/golden.csv", model: {command: predict}}
    retire: golden < 0.9 for 3 days
`))
	if err != nil {
		t.Fatal(err)
	}
	items, err := c.TrustItems(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []TrustItem{
		{Kind: "table", Name: "https://a/{date}.csv", Value: "https://a/{date}.csv"}, {Kind: "table", Name: "https://a/good.csv", Value: "https://a/good.csv"},
		{Kind: "table", Name: "https://a/golden.csv", Value: "https://a/golden.csv"},
		{Kind: "action", Name: "m", Value: "github issue acme/f"}, {Kind: "action", Name: "m", Value: "webhook https://hook"},
		{Kind: "action", Name: "m", Value: "command tell"}, {Kind: "action", Name: "m", Value: "run retrain"},
		{Kind: "check", Name: "m", Value: "predict"},
	}
	if diff := cmp.Diff(want, items); diff != "" {
		t.Error(diff)
	}
	r, user := project(t, "ledger: 7f3a90c2d15e4b68\n"), t.TempDir()
	trust := trustOf(t, r, user)
	if err := trust.Approve(items...); err != nil {
		t.Fatal(err)
	}
	for where, allowed := range map[string]bool{
		"https://a/{date}.csv": true, "https://a/2026-11-20.csv": true, "https://a/2026-11-2.csv": false, "https://a/2026-11-20.csv/../x": false,
		"https://b/2026-11-20.csv": false, "https://a/golden.csv": true, "https://a/2026-11-20xcsv": false,
	} {
		if got := trust.ApprovedTable(where); got != allowed {
			t.Errorf("%s: %v", where, got)
		}
	}
}

// TestWebhookShown: of the address of a webhook nothing is shown that could be secret.
func TestWebhookShown(t *testing.T) {
	for of, want := range map[string]string{
		"https://hook": "webhook https://hook", "http://hook:8080/": "webhook http://hook:8080",
		"https://hooks.example/services/T0/B0/s3cret": "webhook https://hooks.example/…", "https://h/?token=s3cret": "webhook https://h/…",
		"https://ana:s3cret@h": "webhook https://h/…", "https://h#s3cret": "webhook https://h/…", "s3cret": "webhook …", "https://h/%zz": "webhook …",
	} {
		action := DriftAction{ActionWebhook, of}
		item := TrustItem{Kind: TrustAction, Name: "m", Value: action.What(), Was: action.What()}.Shown()
		if got := action.Shown(); got != want || item.Value != want || item.Was != want {
			t.Errorf("%s: %s %+v, want %s", of, got, item, want)
		}
	}
	other := TrustItem{Kind: TrustTable, Name: "https://a/b.csv", Value: "https://a/b.csv"}
	if run := (DriftAction{ActionRun, "webhook https://a/b"}); run.Shown() != run.What() || other.Shown() != other {
		t.Error("what is no webhook is shown as it is")
	}
}
