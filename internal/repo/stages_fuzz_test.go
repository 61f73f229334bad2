package repo

import (
	"os"
	"strings"
	"testing"

	"mlx/internal/fault"
)

// FuzzDvc reads any text as a dvc.yaml: it is refused with a place in the file, or every stage has what a stage must have.
func FuzzDvc(f *testing.F) {
	for _, name := range []string{"get-started", "foreach", "matrix", "folders"} {
		text, err := os.ReadFile("testdata/dvc/" + name + "/dvc.yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "train: {lr: 1}\nfeatures: [a]\n")
	}
	f.Add("stages:\n  a: &a {cmd: x}\n  b: {<<: *a}\n", "")
	f.Fuzz(func(t *testing.T, text, params string) {
		read := func(name string) ([]byte, error) {
			switch name {
			case "sub/dvc.yaml":
				return []byte(text), nil
			case "sub/params.yaml":
				return []byte(params), nil
			}
			return nil, os.ErrNotExist
		}
		p, err := new(Config).pipeline([]string{"sub/dvc.yaml"}, read)
		if err != nil {
			if fault.KindOf(err) != fault.Usage {
				t.Fatalf("not the file's fault: %v", err)
			}
			return
		}
		for _, s := range p.Steps {
			if s.Name == "" || strings.TrimSpace(s.Cmd) == "" || s.Trust == "" || !strings.HasPrefix(s.Name, "sub/dvc.yaml:") {
				t.Fatalf("%+v", s)
			}
			for _, out := range s.Outs {
				if out.Path == "" || strings.HasPrefix(out.Path, "../") || strings.HasPrefix(out.Path, "/") {
					t.Fatalf("output %q", out.Path)
				}
			}
		}
		_ = p.ReadParams(nil)
	})
}

// FuzzTemplate holds that the pieces of a template are all of it, and that text without a variable comes back as it was.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{"a ${b.c[0]} ${d", `\${x} $${y} $z ${HOME:-q}`, "${}", "${ a }", "${a${b}}"} {
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, dvc bool) {
		pieces, err := cutTemplate(Text{Value: text}, dvc)
		if err != nil {
			if !dvc {
				t.Fatalf("mlx.yaml leaves to the shell what is no variable: %v", err)
			}
			return
		}
		var b strings.Builder
		for _, p := range pieces {
			b.WriteString(p.text)
		}
		plain := strings.ReplaceAll(text, `\${`, "${")
		if !dvc {
			plain = strings.ReplaceAll(strings.ReplaceAll(text, "$${", "${"), `\${`, "${")
		}
		if !strings.Contains(text, `\$${`) && b.String() != plain {
			t.Errorf("%q became %q", text, b.String())
		}
	})
}

// FuzzParamFile reads any text in every form of a file of parameters.
func FuzzParamFile(f *testing.F) {
	f.Add(`{"a": [1, 2.5, null, {"b": "c"}]}`)
	f.Add("a = 1\n[t]\nb = [1979-05-27, 07:32:00]\n")
	f.Add("class A:\n  b = {'c': (1, 2)}\n  def __init__(self):\n    self.d = \"\"\"x\"\"\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"p.json", "p.toml", "p.py", "p.yaml"} {
			values, err := newLoader(oneFile(name, text)).file(name)
			switch {
			case err != nil && fault.KindOf(err) != fault.Usage:
				t.Fatalf("%s: not the file's fault: %v", name, err)
			case err == nil && values.shape != mapping:
				t.Fatalf("%s: %v", name, values)
			}
		}
	})
}
