package repo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
)

// project makes a project outside git whose mlx.yaml has the text.
func project(t *testing.T, text string) *Repo {
	t.Helper()
	dir := tempDir(t)
	writeFile(t, filepath.Join(dir, ConfigName), text)
	if err := os.Mkdir(filepath.Join(dir, ".mlx"), 0o777); err != nil {
		t.Fatal(err)
	}
	r, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func configText(t *testing.T, r *Repo) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.Root, ConfigName))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAddRemote(t *testing.T) {
	two := Remote{URL: "s3://two/x"}
	const line = `two: {url: "s3://two/x"}`
	for _, c := range []struct{ name, before, after string }{
		{"nothing", "", "default_remote: two\nremotes:\n  " + line + "\n"},
		{"no end of line", "ledger: 7f3a90c2d15e4b68", "ledger: 7f3a90c2d15e4b68\n\ndefault_remote: two\nremotes:\n  " + line + "\n"},
		{"empty section", "remotes:   # none\ngates: {}\n", "default_remote: two\nremotes:   # none\n  " + line + "\ngates: {}\n"},
		{"empty braces", "remotes: {}   # none\n", "default_remote: two\nremotes: {" + line + "}   # none\n"},
		{"block of one line", "remotes:\n    one: {url: \"s3://one\"} # one\n\n    # more\ngates:\n",
			"remotes:\n    one: {url: \"s3://one\"} # one\n    " + line + "\n\n    # more\ngates:\n"},
		{"block of blocks", "remotes:\n  one:\n    url: s3://one\n    # kept long\n    keep: 7y\n  # end\n# next\ngates:\n",
			"remotes:\n  one:\n    url: s3://one\n    # kept long\n    keep: 7y\n  " + line + "\n  # end\n# next\ngates:\n"},
		{"braces", "remotes: {one: {url: \"s3://ö\"}}\n", "remotes: {one: {url: \"s3://ö\"}, " + line + "}\n"},
		{"braces over lines", "remotes: {\n  one: {url: s3://one}\n}\n", "remotes: {\n  one: {url: s3://one}\n, " + line + "}\n"},
		{"windows", "ledger: 7f3a90c2d15e4b68\r\nremotes:\r\n  one: {url: s3://one}\r\n",
			"ledger: 7f3a90c2d15e4b68\r\nremotes:\r\n  one: {url: s3://one}\r\n  " + line + "\r\n"},
		{"byte order mark", "\ufeffremotes: {}\n", "\ufeffdefault_remote: two\nremotes: {" + line + "}\n"},
		{"text that looks like it", "stages:\n  s:\n    cmd: |\n      remotes:\n        x\n", "stages:\n  s:\n    cmd: |\n      remotes:\n        x\n\ndefault_remote: two\nremotes:\n  " + line + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := project(t, c.before)
			if changed, err := r.AddRemote("two", two, false); err != nil || !changed {
				t.Fatal(changed, err)
			}
			if diff := cmp.Diff(c.after, configText(t, r)); diff != "" {
				t.Error(diff)
			}
			if changed, err := r.AddRemote("two", two, false); err != nil || changed {
				t.Errorf("again: %v %v", changed, err)
			}
			if _, err := r.AddRemote("two", Remote{URL: "s3://three"}, false); fault.KindOf(err) != fault.Conflict {
				t.Errorf("another: %v", err)
			}
		})
	}
}

func TestAddWhole(t *testing.T) {
	r := project(t, "default_remote: 'one'   # for now\nremotes:\n  one: {url: s3://one}\n")
	all := Remote{URL: "gs://b", Region: "eu", Keep: Duration{7 * 365 * day}, Encrypt: []string{
		"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEfLyFC2BrQPfWRCOjcCcSN1u3hRpRErnFPvP8iqMc1C ana"}}
	if _, err := r.AddRemote("123", all, true); err != nil {
		t.Fatal(err)
	}
	want := `default_remote: "123"   # for now
remotes:
  one: {url: s3://one}
  "123": {url: "gs://b", region: eu, keep: 7y, encrypt: ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEfLyFC2BrQPfWRCOjcCcSN1u3hRpRErnFPvP8iqMc1C ana"]}
`
	if diff := cmp.Diff(want, configText(t, r)); diff != "" {
		t.Error(diff)
	}
	c, err := r.Config()
	if err != nil {
		t.Fatal(err)
	}
	got, name, err := c.FindRemote("default")
	if err != nil || name != "123" || !sameRemote(got, all) {
		t.Errorf("%+v %s %v", got, name, err)
	}
}

func TestRemoveRemote(t *testing.T) {
	for _, c := range []struct{ name, before, after string }{
		{"the only one", "ledger: 7f3a90c2d15e4b68\ndefault_remote: one\nremotes:\n  one: {url: s3://one}\n\ngates: {}\n", "ledger: 7f3a90c2d15e4b68\n\ngates: {}\n"},
		{"with a comment", "remotes:\n  # ours\n  one: {url: s3://one}\n", "remotes:\n  # ours\n"},
		{"first of two", "remotes:\n  one:\n    url: s3://one\n    # inside\n    keep: 1d\n  # two\n  two: {url: s3://two}\n", "remotes:\n  # two\n  two: {url: s3://two}\n"},
		{"last of two", "remotes:\n  two: {url: s3://two}\n  one:\n    url: s3://one\n# end\n", "remotes:\n  two: {url: s3://two}\n# end\n"},
		{"braces", "remotes: {one: {url: s3://one}}\ngates: {}\n", "gates: {}\n"},
		{"braces, first", "remotes: {one: {url: s3://one}, two: {url: s3://two}} # x\n", "remotes: {two: {url: s3://two}} # x\n"},
		{"braces, last", "remotes: {two: {url: s3://two}, one: {url: \"s3://b/ö}\"}} # x\n", "remotes: {two: {url: s3://two}} # x\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := project(t, c.before)
			removed, err := r.RemoveRemote("one")
			if err != nil || !strings.HasPrefix(removed.URL, "s3://") {
				t.Fatal(removed, err)
			}
			if diff := cmp.Diff(c.after, configText(t, r)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestEditRefused: what cannot be edited safely stays as it is, and the answer says what to write.
func TestEditRefused(t *testing.T) {
	for _, before := range []string{
		"{ledger: 7f3a90c2d15e4b68}\n",
		"remotes: &r {one: {url: s3://one}}\n",
		"remotes:\n  one: &x\n    url: s3://one\n  two: *x\n",
		"remotes:\n  one: {url: s3://one}\nruns: {push: one}\n",
	} {
		r := project(t, before)
		_, err := r.RemoveRemote("one")
		if configText(t, r) != before {
			t.Errorf("%q was changed", before)
		}
		if err == nil || len(fault.Hints(err)) == 0 {
			t.Errorf("%q: %v, %q", before, err, fault.Hints(err))
		}
	}
}

func TestCheckURL(t *testing.T) {
	for url, want := range map[string]string{
		"file:///srv/share": "",
		"s3://b/p?endpoint=http://127.0.0.1:8333&use_path_style=true&profile=acme": "",
		"gs://b":                              "",
		"azblob://container/p":                "",
		"git:origin":                          "",
		"git:https://git.example/acme/x.git":  "",
		"git:ssh://git@git.example/acme/x":    "",
		"git:git@git.example:acme/x":          "",
		"git:../bare.git":                     "",
		"":                                    "has no scheme",
		"../share":                            "has no scheme",
		"bucket":                              "has no scheme",
		"ftp://x":                             `has the unknown scheme "ftp"`,
		"file://share":                        "names no folder by its whole path",
		"file:share":                          "is none such as file://…",
		"s3:///p":                             "names no bucket",
		"s3://user@b":                         "holds a user name",
		"s3://b?endpoint=http://u:secret@h":   "holds a user name",
		"s3://b?AWS_SECRET_ACCESS_KEY=secret": `holds "AWS_SECRET_ACCESS_KEY"`,
		"gs://b?access_token=secret":          `holds "access_token"`,
		"azblob://b?SIG=secret":               `holds "SIG"`,
		"git:":                                "is none that git can use safely",
		"git:--upload-pack=sh":                "is none that git can use safely",
		"git:ext::sh -c secret":               "is none that git can use safely",
		"git:https://secret@git.example/x":    "holds a user name",
		"git:ssh://git:secret@git.example/x":  "holds a user name",
		"s3://b\x1b[2J":                       "holds control characters",
		"s3://" + strings.Repeat("a", 3000):   "has more than 2048 letters",
	} {
		err := CheckURL(url)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, not %q", url, err, want)
		}
		if err != nil && strings.Contains(err.Error()+strings.Join(fault.Hints(err), ""), "secret@") {
			t.Errorf("%q: the secret is in the error: %v", url, err)
		}
	}
}

func TestCheckRecipient(t *testing.T) {
	const age = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
	const ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEfLyFC2BrQPfWRCOjcCcSN1u3hRpRErnFPvP8iqMc1C"
	for _, good := range []string{age, ssh, ssh + " ana"} {
		if err := CheckRecipient(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for i := range age[4:] {
		slip := []byte(age)
		slip[i+4] = map[bool]byte{true: 'p', false: 'q'}[slip[i+4] == 'q']
		if err := CheckRecipient(string(slip)); err == nil {
			t.Errorf("%s passed", slip)
		}
	}
	for _, bad := range []string{"", "age1", "ana", "AGE-SECRET-KEY-1QQ", "ssh-ed25519 AAAA", "ssh-rsa" + ssh[11:], "ecdsa-sha2-nistp256 " + ssh[12:]} {
		err := CheckRecipient(bad)
		if fault.KindOf(err) != fault.Usage || strings.Contains(err.Error(), "SECRET-KEY") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// FuzzEditRemotes: whatever a file looks like, an edit changes the one entry and nothing else, or refuses.
func FuzzEditRemotes(f *testing.F) {
	f.Add(readSeed("testdata/complete.yaml"))
	f.Add([]byte("remotes: {a: {url: s3://a}, b: {url: s3://b}}\ndefault_remote: a\n"))
	f.Add([]byte("remotes:\n  a:\n    url: s3://a\n  b: {url: s3://b}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<12 {
			return
		}
		c, err := ParseConfig(text)
		if err != nil {
			return
		}
		for _, name := range c.Remotes.Names() {
			after, err := edited(text, removeRemote(name), func(all map[string]any) { delete(remotesIn(all), name) })
			if err != nil {
				continue
			}
			if left, err := freely(after); err != nil || remotesIn(left)[name] != nil {
				t.Errorf("%q is still there: %v", name, err)
			}
		}
		if after, err := edited(text, setDefault("x"), func(all map[string]any) { all["default_remote"] = "x" }); err == nil {
			if got, err := freely(after); err != nil || got["default_remote"] != "x" {
				t.Errorf("no default: %v %v", got, err)
			}
		}
		_, _ = edited(text, insertRemote("x: {url: s3://x}"), func(all map[string]any) { remotesIn(all)["x"] = map[string]any{"url": "s3://x"} })
	})
}
