package source

import (
	"bytes"
	"crypto/md5" //nolint:gosec // dvc names its objects by it
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/fault"
)

// asJSON reads the fixtures, which are written as JSON: that is YAML, too. cmd/mlx brings the real reader.
func asJSON(file string) (map[string]any, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, json.Unmarshal(text, &m)
}

func sumOf(b string) string {
	s := md5.Sum([]byte(b)) //nolint:gosec // see the import
	return hex.EncodeToString(s[:])
}

// oldRepo makes a repository of dvc by hand: objects by name under .dvc, files under their paths.
func oldRepo(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files[".dvc/config"] = files[".dvc/config"] + "\n"
	for name, text := range files {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func object3(text, ext string) string {
	s := sumOf(text)
	return "files/md5/" + s[:2] + "/" + s[2:] + ext
}

func object2(text, ext string) string { return strings.TrimPrefix(object3(text, ext), "files/md5/") }

func out(path, sum string) string {
	return fmt.Sprintf(`{"outs":[{"path":%q,"md5":%q,"hash":"md5"}]}`, path, sum)
}

func bring(t *testing.T, word string, pins ...Pin) (Result, string, error) {
	t.Helper()
	f := New(Options{Config: asJSON, Tmp: t.TempDir(), Environ: os.Environ()})
	defer f.Close()
	src, err := Parse(word, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "dest")
	res, err := f.Fetch(t.Context(), Request{Source: src, Dest: dest, Pins: pins})
	return res, dest, err
}

func content(t *testing.T, dest string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dest, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dest, p)
		fmt.Fprintf(&b, "%s=%s;", filepath.ToSlash(rel), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDVC(t *testing.T) {
	list := fmt.Sprintf(`[{"md5":%q,"relpath":"a"},{"md5":%q,"relpath":"sub/b"}]`, sumOf("A"), sumOf("B"))
	unix := "x\ny\n"
	dir := oldRepo(t, map[string]string{
		".dvc/config":                         "[core]\n    remote = near\n['remote \"near\"']\n    url = ../elsewhere\n",
		"elsewhere/" + object3("far", ""):     "far",
		".dvc/cache/" + object3("one", ""):    "one",
		".dvc/cache/" + object2("two", ""):    "two",
		".dvc/cache/" + object3("A", ""):      "A",
		".dvc/cache/" + object2("B", ""):      "B",
		".dvc/cache/" + object3(list, ".dir"): list,
		".dvc/cache/" + object2(unix, ""):     "x\r\ny\r\n",
		".dvc/cache/" + object3("bad", ""):    "BAD",
		"data/one.dvc":                        out("one", sumOf("one")),
		"data/two.dvc":                        fmt.Sprintf(`{"wdir":"..","outs":[{"path":"two","md5":%q}]}`, sumOf("two")),
		"far.dvc":                             out("far", sumOf("far")),
		"dos.dvc":                             fmt.Sprintf(`{"outs":[{"path":"dos","md5":%q}]}`, sumOf(unix)),
		"bad.dvc":                             out("bad", sumOf("bad")),
		"lost.dvc":                            out("lost", sumOf("lost")),
		"dir.dvc":                             out("dir", sumOf(list)+".dir"),
		"escape.dvc":                          out("../../etc/x", sumOf("x")),
		"absolute.dvc":                        out("/etc/passwd", sumOf("x")),
		"pipe/dvc.yaml":                       `{"stages":{"train":{"wdir":"w"},"each":{"foreach":["a"],"do":{"wdir":"v"}}}}`,
		"pipe/dvc.lock": fmt.Sprintf(`{"schema":"2.0","stages":{"train":{"outs":[{"path":"m","md5":%q},{"path":"metrics.json","md5":%q}]},"each@a":{"outs":[{"path":"n","md5":%q}]}}}`,
			sumOf("one"), sumOf("{}"), sumOf("two")),
		"pipe/w/metrics.json": "{}",
	})
	for _, c := range []struct {
		inner, want, trouble string
		kind                 fault.Kind
	}{
		{"data/one", ".=one;", "", 0},
		{"two", ".=two;", "", 0},
		{"far", ".=far;", "", 0},
		{"dos", ".=x\r\ny\r\n;", "", 0},
		{"dir", "a=A;sub/b=B;", "", 0},
		{"dir/sub", "b=B;", "", 0},
		{"dir/sub/b", ".=B;", "", 0},
		{"pipe", "v/n=two;w/m=one;w/metrics.json={};", "", 0},
		{"data", "one=one;", "", 0},
		{"bad", "", "have the sum " + sumOf("BAD"), fault.Integrity},
		{"lost", "", "md5 " + sumOf("lost") + " cannot be found: not in the cache; not in remote near", fault.NotFound},
		{"dir/none", "", "tracks no dir/none", fault.NotFound},
		{"tow", "", "tracks no tow", fault.NotFound},
		{"passwd", "", "outside", fault.Usage},
	} {
		t.Run(c.inner, func(t *testing.T) {
			res, dest, err := bring(t, "dvc:"+dir+":"+c.inner)
			if c.trouble != "" {
				if err == nil || fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.trouble) {
					t.Errorf("got %v of kind %v", err, fault.KindOf(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := content(t, dest); got != c.want || !res.Changed {
				t.Errorf("got %q, changed %v", got, res.Changed)
			}
			again, dest, err := bring(t, "dvc:"+dir+":"+c.inner, res.Pins...)
			if _, statErr := os.Stat(dest); err != nil || again.Changed || !errors.Is(statErr, fs.ErrNotExist) {
				t.Errorf("again: %+v, %v, written: %v", again, err, statErr)
			}
		})
	}
	f := New(Options{Config: asJSON})
	src, err := Parse("dvc:"+dir, "/")
	if err != nil {
		t.Fatal(err)
	}
	paths, troubles, err := f.Outs(t.Context(), src)
	if err != nil || len(troubles) != 2 || len(paths) != 10 {
		t.Errorf("paths %v, troubles %v, %v", paths, troubles, err)
	}
}

func TestHostileLists(t *testing.T) {
	sum := sumOf("A")
	for _, text := range []string{
		`{}`, `[`, `[1]`, `[{"md5":"x","relpath":"a"}]`,
		fmt.Sprintf(`[{"md5":%q,"relpath":"../a"}]`, sum),
		fmt.Sprintf(`[{"md5":%q,"relpath":"/a"}]`, sum),
		fmt.Sprintf(`[{"md5":%q,"relpath":"a/../../b"}]`, sum),
		fmt.Sprintf(`[{"md5":%q,"relpath":""}]`, sum),
		fmt.Sprintf(`[{"md5":%q,"relpath":"a\u0000b"}]`, sum),
		fmt.Sprintf(`[{"md5":%q,"relpath":"a"},{"md5":%q,"relpath":"a"}]`, sum, sum),
		fmt.Sprintf(`[{"md5":"../../../../etc/%s","relpath":"a"}]`, sum[:10]),
	} {
		if got, err := parseList([]byte(text)); fault.KindOf(err) != fault.Integrity {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte(`[{"md5":"` + sumOf("A") + `","relpath":"a/b"}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := parseList(text)
		if err != nil {
			return
		}
		for _, e := range list {
			if !isMD5(e.MD5) || !filepath.IsLocal(filepath.FromSlash(e.Path)) {
				t.Errorf("%+v", e)
			}
		}
	})
}

func FuzzOuts(f *testing.F) {
	f.Add([]byte(`{"wdir":"..","outs":[{"path":"a","md5":"`+sumOf("A")+`.dir","hash":"md5"}]}`), "x")
	f.Add([]byte(`{"outs":[{"path":"../a"},{"path":"s3://b/c","files":[]},{"path":1}]}`), ".")
	f.Fuzz(func(t *testing.T, text []byte, base string) {
		var m map[string]any
		if json.Unmarshal(text, &m) != nil {
			return
		}
		wdir, _ := m["wdir"].(string)
		for _, o := range outsOf(m["outs"], base+"/"+wdir) {
			if o.trouble == nil && (!isMD5(o.md5) || !filepath.IsLocal(filepath.FromSlash(o.path))) {
				t.Errorf("%+v", o)
			}
		}
	})
}

func FuzzDVCConfig(f *testing.F) {
	f.Add("[core]\nremote = a\n['remote \"a\"']\nurl = ../x\n[cache]\ndir = /c\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := dvcConfig{base: "/d", remotes: make(map[string]map[string]string)}
		c.parse(text)
		for name := range c.remotes {
			if strings.Contains(name, "\n") {
				t.Errorf("%q", name)
			}
		}
	})
}

// However the bytes are cut into writes, the sum of text is the same.
func TestUnixSum(t *testing.T) {
	text := []byte("a\r\nb\r\r\nc\n\rd\r")
	want := sumOf(string(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))))
	for size := 1; size <= len(text); size++ {
		u := newUnixSum()
		for at := 0; at < len(text); at += size {
			u.Write(text[at:min(len(text), at+size)])
		}
		if got := u.sum(); got != want {
			t.Errorf("in pieces of %d: %s", size, got)
		}
	}
}
