package main

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		command []string
		files   map[string]string
		want    []elsewhere
	}{
		"literal":       {[]string{"python", "a.py"}, map[string]string{"a.py": "import mlflow\nmlflow.set_tracking_uri('https://x/')\n"}, []elsewhere{{"set_tracking_uri", "https://x/", "a.py", 2}}},
		"computed":      {[]string{"python", "a.py"}, map[string]string{"a.py": "set_tracking_uri(cfg.uri)\n"}, []elsewhere{{"set_tracking_uri", "", "a.py", 1}}},
		"keyword":       {[]string{"python", "a.py"}, map[string]string{"a.py": "  set_tracking_uri(uri=\"databricks\")\n"}, []elsewhere{{"set_tracking_uri", "databricks", "a.py", 1}}},
		"comment":       {[]string{"python", "a.py"}, map[string]string{"a.py": "# set_tracking_uri('x')\n"}, nil},
		"dagshub":       {[]string{"python3", "a.py"}, map[string]string{"a.py": "dagshub.init(repo_owner='a', repo_name='b', mlflow=True)\n"}, []elsewhere{{"dagshub.init", "", "a.py", 1}}},
		"client":        {[]string{"python", "a.py"}, map[string]string{"a.py": "c = MlflowClient(tracking_uri='http://s:5000')\n"}, []elsewhere{{"MlflowClient", "http://s:5000", "a.py", 1}}},
		"a free client": {[]string{"python", "a.py"}, map[string]string{"a.py": "c = MlflowClient()\n"}, nil},
		"environ":       {[]string{"python", "a.py"}, map[string]string{"a.py": "os.environ['MLFLOW_TRACKING_URI'] = 'http://s'\n"}, []elsewhere{{"MLFLOW_TRACKING_URI", "http://s", "a.py", 1}}},
		"read only":     {[]string{"python", "a.py"}, map[string]string{"a.py": "u = os.environ['MLFLOW_TRACKING_URI']\n"}, nil},
		"dotenv":        {[]string{"python", "a.py"}, map[string]string{"a.py": "load_dotenv(override=True)\n"}, []elsewhere{{"load_dotenv", "", "a.py", 1}}},
		"module":        {[]string{"python", "-m", "pkg.train"}, map[string]string{"pkg/train.py": "from . import conf\n", "pkg/conf.py": "set_tracking_uri('u')\n"}, []elsewhere{{"set_tracking_uri", "u", "pkg/conf.py", 1}}},
		"imported": {[]string{"python", "src/a.py"}, map[string]string{"src/a.py": "from lib.conf import x, y\nimport os, other\n", "src/lib/conf.py": "",
			"src/other.py": "set_tracking_uri('u')\n"}, []elsewhere{{"set_tracking_uri", "u", "src/other.py", 1}}},
		"shell": {[]string{"sh", "-c", "cd . && python a.py"}, map[string]string{"a.py": "set_tracking_uri('u')\n"}, []elsewhere{{"set_tracking_uri", "u", "a.py", 1}}},
		"script": {[]string{"bash", "go.sh"}, map[string]string{"go.sh": "export MLFLOW_TRACKING_URI=http://s:1\npython a.py\n", "a.py": "mlflow.login()\n"},
			[]elsewhere{{"MLFLOW_TRACKING_URI", "http://s:1", "go.sh", 1}, {"mlflow.login", "", "a.py", 1}}},
		"inline":     {[]string{"python", "-c", "import mlflow; mlflow.set_tracking_uri('sqlite:///x.db')"}, nil, []elsewhere{{"set_tracking_uri", "sqlite:///x.db", "", 1}}},
		"a notebook": {[]string{"papermill", "n.ipynb"}, map[string]string{"n.ipynb": "{\n   \"mlflow.set_tracking_uri(\\\"https://x\\\")\\n\",\n"}, []elsewhere{{"set_tracking_uri", "https://x", "n.ipynb", 2}}},
		"outside":    {[]string{"python", "../b.py"}, nil, nil},
		"a circle":   {[]string{"python", "a.py"}, map[string]string{"a.py": "import b\n", "b.py": "import a\n"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			root := filepath.Join(top, "root")
			files := map[string]string{"../b.py": "set_tracking_uri('u')"}
			maps.Copy(files, c.files)
			for file, text := range files {
				at := filepath.Join(root, filepath.FromSlash(file))
				if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got := findElsewhere(c.command, root, root)
			for i, e := range got {
				if e.File != "" {
					rel, _ := filepath.Rel(root, e.File)
					got[i].File = filepath.ToSlash(rel)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
