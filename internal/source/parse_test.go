package source

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/fault"
)

func TestRedact(t *testing.T) {
	for _, c := range []struct {
		in, out string
		found   bool
	}{
		{"https://host/a.csv", "https://host/a.csv", false},
		{"https://host/a.csv?version=3", "https://host/a.csv?version=3", false},
		{"https://ana:geheim@host/a.csv", "https://host/a.csv", true},
		{"https://geheim@host/a.csv", "https://host/a.csv", true},
		{"https://b.s3.amazonaws.com/k?X-Amz-Algorithm=A&X-Amz-Credential=geheim&X-Amz-Signature=geheim&versionId=7", "https://b.s3.amazonaws.com/k?versionId=7", true},
		{"https://x.blob.core.windows.net/c/k?sv=2024&sig=geheim&se=1&sp=r", "https://x.blob.core.windows.net/c/k", true},
		{"https://storage.googleapis.com/b/k?GoogleAccessId=geheim&Expires=1&Signature=geheim", "https://storage.googleapis.com/b/k", true},
		{"https://host/a?access_token=geheim&page=2", "https://host/a?page=2", true},
		{"https://host/a?private%5Ftoken=geheim", "https://host/a", true},
		{"https://host/a?%zz=geheim", "https://host/a", true},
		{"https://host/a#geheim", "https://host/a", false},
		{"s3://bucket/a?region=eu&endpoint=http://x", "s3://bucket/a?region=eu&endpoint=http://x", false},
		{"https://ana:ge%heim@host/a?x=geheim", "https://host/a", true},
	} {
		out, found := Redact(c.in)
		if out != c.out || found != c.found {
			t.Errorf("%s: got %s, %v", c.in, out, found)
		}
	}
}

func TestRedactDatabase(t *testing.T) {
	for _, c := range []struct {
		in, out string
		found   bool
	}{
		{"postgres://ana:geheim@host:5/db?sslmode=require", "postgres://ana@host:5/db?sslmode=require", true},
		{"postgres://ana@host/db", "postgres://ana@host/db", false},
		{"postgres://host/db?user=ana&password=geheim", "postgres://host/db?user=ana", true},
		{"postgres:///db?host=/tmp", "postgres:///db?host=/tmp", false},
	} {
		if out, found := redactDatabase(c.in); out != c.out || found != c.found {
			t.Errorf("%s: got %s, %v", c.in, out, found)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("https://ana:pass@host/a?sig=b&x=1#f")
	f.Add("postgres://ana:pass@host/db")
	f.Add("http://[::1]:80/%zz?token=1")
	f.Fuzz(func(t *testing.T, raw string) {
		clean, _ := Redact(raw)
		again, found := Redact(clean)
		if again != clean && found {
			t.Errorf("%q: %q still holds something, then %q", raw, clean, again)
		}
		if u, err := url.Parse(clean); err == nil && u.User != nil {
			t.Errorf("%q: user in %q", raw, clean)
		}
		redactDatabase(raw)
		if s, err := Parse(raw, "/nowhere"); err == nil && s.Kind != Command && s.Kind != Local {
			if _, err := Parse(s.Shown, "/nowhere"); err != nil {
				t.Errorf("%q: cannot read again %q: %v", raw, s.Shown, err)
			}
		}
	})
}

func TestParse(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "repo"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		word        string
		kind        Kind
		shown       string
		inner, name string
	}{
		{"https://h/d/x.csv", HTTP, "https://h/d/x.csv", "", "x.csv"},
		{"x.csv", Local, "file://" + dir + "/x.csv", "", "x.csv"},
		{"./a:b.csv", Local, "file://" + dir + "/a:b.csv", "", "a:b.csv"},
		{"file:///data/x.csv", Local, "file:///data/x.csv", "", "x.csv"},
		{"s3://b/p/x?region=eu", Bucket, "s3://b/p/x?region=eu", "", "x"},
		{"gs://b", Bucket, "gs://b", "", ""},
		{"postgresql://ana:geheim@h/db", Query, "postgresql://ana@h/db", "", ""},
		{"exec:sq 'x'", Command, "exec:sq 'x'", "", ""},
		{"dvc:repo", DVC, "dvc:" + dir + "/repo", "", ""},
		{"dvc:repo:data/x", DVC, "dvc:" + dir + "/repo:data/x", "data/x", "x"},
		{"dvc:git@host:org/r.git", DVC, "dvc:git@host:org/r.git", "", ""},
		{"dvc:git@host:org/r.git:data", DVC, "dvc:git@host:org/r.git:data", "data", "data"},
		{"dvc:https://host:8443/r.git", DVC, "dvc:https://host:8443/r.git", "", ""},
		{"dvc:https://tok:geheim@host:8443/r.git:a/b", DVC, "dvc:https://host:8443/r.git:a/b", "a/b", "b"},
		{"dvc:ssh://git@host/r.git:a", DVC, "dvc:ssh://git@host/r.git:a", "a", "a"},
		{"mlx:" + dir + "/repo#main:data/x", Mlx, "mlx:" + dir + "/repo#main:data/x", "data/x", "x"},
	} {
		s, err := Parse(c.word, dir)
		if err != nil || s.Kind != c.kind || s.Shown != c.shown || s.Inner() != c.inner || s.Name() != c.name {
			t.Errorf("%s: got %s %s inner %q name %q, %v", c.word, s.Kind, s.Shown, s.Inner(), s.Name(), err)
			continue
		}
		if again, err := Parse(s.Shown, "/elsewhere"); err != nil || again.Shown != s.Shown || again.inner != s.inner {
			t.Errorf("%s: read again as %+v, %v", s.Shown, again, err)
		}
	}
	for _, bad := range []string{"", "ftp://h/x", "http://", "exec: ", "dvc:", "dvc:--upload-pack=x", "dvc:repo:../x", "dvc:repo:/etc", "a\nb", "file://host/x",
		"mlx:x", "mlx:-x#y:z", "mlx:x#y:../z", "exec:dump --password geheim", "exec:psql postgres://a:geheim@h/d", "exec:PGPASSWORD=geheim psql",
		strings.Repeat("a", 10_000)} {
		if s, err := Parse(bad, dir); fault.KindOf(err) != fault.Usage {
			t.Errorf("%.60q: %+v, %v", bad, s, err)
		} else if strings.Contains(err.Error(), "geheim") {
			t.Errorf("%v tells the password", err)
		}
	}
	for _, good := range []string{`exec:dump --password "$PW"`, "exec:dump --token $T", "exec:sql -f secretary.sql", "exec:echo password"} {
		if _, err := Parse(good, dir); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func TestFromRepo(t *testing.T) {
	s, err := FromRepo("/r#1%", "main:data/x", "/")
	if err != nil || s.repo != "/r#1%" || s.ref != "main" || s.inner != "data/x" {
		t.Fatalf("%+v, %v", s, err)
	}
	if again, err := Parse(s.Shown, "/"); err != nil || again.repo != s.repo {
		t.Errorf("%+v, %v", again, err)
	}
	if s, err := FromRepo("/r", "data/x", "/"); err != nil || s.ref != "HEAD" {
		t.Errorf("%+v, %v", s, err)
	}
}
