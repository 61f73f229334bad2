package tracking

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/object"
	"mlx/internal/run"
)

// shop is an endpoint over a ledger and a store in a folder, with a run that goes on.
type shop struct {
	t   *testing.T
	dir string
	s   *Server
	o   Options
	run string // as clients know it
	id  object.Digest
}

func openShop(t *testing.T) *shop {
	t.Helper()
	sh := &shop{t: t, dir: t.TempDir()}
	sh.start()
	tr, err := sh.o.Runner.Track(t.Context(), run.TrackSpec{Base: run.Body{Command: []string{"python", "train.py"}, Folder: "."},
		Name: "calm-swan-183", Experiment: "flights", User: "ana", StartedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	sh.id, sh.run = tr.ID, clientID(tr.ID)
	if err := tr.Close(false); err != nil {
		t.Fatal(err)
	}
	return sh
}

// start makes the endpoint of a process that has just begun: it knows what is on the disk.
func (sh *shop) start() {
	var err error
	if sh.o, err = optionsIn(sh.dir); err != nil {
		sh.t.Fatal(err)
	}
	sh.o.Trouble = func(err error) { sh.t.Errorf("trouble: %v", err) }
	s, store, ledger := New(sh.o), sh.o.Store, sh.o.Ledger
	sh.s = s
	sh.t.Cleanup(func() { _ = s.Close(context.Background()); _ = store.Close(); _ = ledger.Close() })
}

// do sends a request; a body that is no text or bytes goes as JSON.
func (sh *shop) do(method, target string, body any) *httptest.ResponseRecorder {
	sh.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	case []byte:
		r = bytes.NewReader(b)
	case io.Reader:
		r = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			sh.t.Fatal(err)
		}
		r = bytes.NewReader(text)
	}
	if !strings.HasPrefix(target, "/") {
		target = "/api/2.0/mlflow/" + target
	}
	req := httptest.NewRequest(method, "http://127.0.0.1"+target, r)
	w := httptest.NewRecorder()
	sh.s.ServeHTTP(w, req)
	return w
}

// want sends a request and holds the answer to what is expected, as JSON where it is some.
func (sh *shop) want(method, target string, body any, status int, expected string) map[string]any {
	sh.t.Helper()
	w := sh.do(method, target, body)
	got := w.Body.String()
	if w.Code != status || expected != "*" && got != expected {
		sh.t.Fatalf("%s %s: %d %s\nexpected %d %s", method, target, w.Code, got, status, expected)
	}
	var m map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &m) // bytes of files are no JSON
	return m
}

const files = "/api/2.0/mlflow-artifacts/artifacts"

func (sh *shop) at(rel string) string { return files + "/0/" + sh.run + "/artifacts/" + rel }

func (sh *shop) list(p string) string {
	return sh.do("GET", files+"?path="+p, nil).Body.String()
}

func TestArtifactsOfARun(t *testing.T) {
	sh := openShop(t)
	sh.want("PUT", sh.at("a.txt"), "eleven chars", 200, "")
	sh.want("PUT", sh.at("deep/er/b%20c.txt"), "b", 200, "")
	sh.want("PUT", sh.at("a.txt"), "hello world", 200, "") // again: the last one counts
	root := "0/" + sh.run + "/artifacts"
	check := func(when string) {
		t.Helper()
		if got, want := sh.list(root), `{"files":[{"path":"a.txt","is_dir":false,"file_size":11},{"path":"deep","is_dir":true}]}`; got != want {
			t.Errorf("%s: %s", when, got)
		}
		if got, want := sh.list(root+"/deep/er"), `{"files":[{"path":"b c.txt","is_dir":false,"file_size":1}]}`; got != want {
			t.Errorf("%s: %s", when, got)
		}
		for _, nothing := range []string{root + "/nope", root + "/a.txt", root + "/a.txt/x", "elsewhere", ""} {
			if got := sh.list(nothing); got != "{}" {
				t.Errorf("%s: list of %q: %s", when, nothing, got)
			}
		}
		w := sh.do("GET", sh.at("a.txt"), nil)
		if w.Body.String() != "hello world" || w.Header().Get("ETag") != `"`+object.Sum([]byte("hello world")).Hex()+`"` ||
			w.Header().Get("Accept-Ranges") != "bytes" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || w.Header().Get("Content-Length") != "11" {
			t.Errorf("%s: %q %v", when, w.Body, w.Header())
		}
		req := httptest.NewRequest("GET", "http://127.0.0.1"+sh.at("a.txt"), nil)
		req.Header.Set("Range", "bytes=6-8")
		part := httptest.NewRecorder()
		sh.s.ServeHTTP(part, req)
		if part.Code != 206 || part.Body.String() != "wor" {
			t.Errorf("%s: range: %d %q", when, part.Code, part.Body)
		}
		sh.want("GET", sh.at("nope.txt"), nil, 404, `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No such artifact: '0/`+sh.run+`/artifacts/nope.txt'"}`)
		sh.want("GET", sh.at("deep"), nil, 404, "*")
		sh.want("GET", "artifacts/list?run_id="+sh.run+"&path=deep/er", nil, 200, "*")
		sh.want("GET", "/get-artifact?run_id="+sh.run+"&path=deep/er/b+c.txt", nil, 200, "b")
	}
	check("while it goes on")
	sh.want("POST", "runs/update", map[string]any{"run_id": sh.run, "status": "FINISHED", "end_time": 1795447682067}, 200, "*")
	check("after its end")
	sh.want("DELETE", sh.at("deep"), nil, 200, "{}")
	sh.want("PUT", sh.at("late.txt"), "late", 200, "")
	if got, want := sh.list(root), `{"files":[{"path":"a.txt","is_dir":false,"file_size":11},{"path":"late.txt","is_dir":false,"file_size":4}]}`; got != want {
		t.Errorf("added later: %s", got)
	}
	if err := sh.s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sh.start()
	if got, want := sh.list(root), `{"files":[{"path":"a.txt","is_dir":false,"file_size":11},{"path":"late.txt","is_dir":false,"file_size":4}]}`; got != want {
		t.Errorf("in another process: %s", got)
	}
}

func TestPathsThatLeadElsewhere(t *testing.T) {
	sh := openShop(t)
	secret := filepath.Join(sh.dir, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{
		"../secret", "..", "a/../../secret", "%2e%2e/secret", "..%2fsecret", "%2e%2e%2fsecret", "%252e%252e%252fsecret", "%25252e%25252e/secret", "a%2f..%2f..%2fsecret",
		`..\secret`, "a%5c..%5csecret", "%00", "a%00b", "a%0ab", "%2fetc%2fpasswd", "%252fetc", "C:/x", "C:%5cx", "file:%2f%2f%2fetc", "a%23b", "nul", "con/x", "x/COM1", "a//b",
		strings.Repeat("n", 256), strings.Repeat("d/", 3000) + "f", "%ff%fe", "%zz",
	} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			for _, base := range []string{sh.at(""), files + "/"} {
				u := "http://127.0.0.1" + base + p
				req, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1/", strings.NewReader("x"))
				if err != nil {
					t.Fatal(err)
				}
				raw := strings.TrimPrefix(u, "http://127.0.0.1")
				req.URL.Opaque = ""
				if decoded, err := url.PathUnescape(raw); err == nil {
					req.URL.Path, req.URL.RawPath = decoded, raw
				} else {
					continue // no server gets past such a request line
				}
				w := httptest.NewRecorder()
				sh.s.ServeHTTP(w, req)
				if w.Code != 400 || !strings.Contains(w.Body.String(), `"message":"Invalid path"`) {
					t.Errorf("%s %s: %d %s", method, raw, w.Code, w.Body)
				}
			}
		}
		if got := sh.do("GET", files+"?path="+strings.ReplaceAll(strings.ReplaceAll("0/"+sh.run+"/artifacts/"+p, "%", "%25"), `\`, "%5C"), nil); strings.Contains(p, "..") && got.Code != 400 {
			t.Errorf("list of %s: %d %s", p, got.Code, got.Body)
		}
	}
	if b, err := os.ReadFile(secret); err != nil || string(b) != "secret" {
		t.Fatalf("%q %v", b, err)
	}
}

func TestALinkLeadsNowhere(t *testing.T) {
	sh := openShop(t)
	sh.want("PUT", sh.at("d/a.txt"), "a", 200, "")
	folder := filepath.Join(sh.dir, "runs", sh.id.Hex(), "artifacts", "d")
	if err := os.Symlink(sh.dir, filepath.Join(folder, "out")); err != nil {
		t.Skip("no symlinks here")
	}
	for _, method := range []string{"GET", "PUT"} {
		sh.want(method, sh.at("d/out/x"), "x", 400, `{"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid path"}`)
	}
	if _, err := os.Stat(filepath.Join(sh.dir, "x")); err == nil {
		t.Fatal("it was written outside")
	}
}

func TestHalfAnUploadIsNone(t *testing.T) {
	sh := openShop(t)
	req := httptest.NewRequest("PUT", "http://127.0.0.1"+sh.at("half.bin"), strings.NewReader("only this"))
	req.ContentLength = 1000
	w := httptest.NewRecorder()
	sh.s.ServeHTTP(w, req)
	if w.Code != 400 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	broken := io.MultiReader(strings.NewReader("some"), errReader{})
	if w := sh.do("PUT", sh.at("broken.bin"), broken); w.Code != 400 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	sh.want("PUT", sh.at("file"), "f", 200, "")
	sh.want("PUT", sh.at("file/below"), "f", 400, `{"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid path"}`)
	sh.want("PUT", sh.at("d/f"), "f", 200, "")
	sh.want("PUT", sh.at("d"), "f", 400, `{"error_code":"INVALID_PARAMETER_VALUE","message":"Cannot write 'd': it is a folder"}`)
	if got, want := sh.list("0/"+sh.run+"/artifacts"), `{"files":[{"path":"d","is_dir":true},{"path":"file","is_dir":false,"file_size":1}]}`; got != want {
		t.Errorf("%s", got)
	}
	left, err := filepath.Glob(filepath.Join(sh.dir, "runs", "*", uploadPrefix+"*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, fmt.Errorf("the line is cut") }

func FuzzArtifactPath(f *testing.F) {
	for _, s := range []string{"0/a/artifacts/b", "%2e%2e/x", "a//b", "%25252e", "models/..%00", "1/models/m-0123456789abcdef0123456789abcdef/artifacts/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		p, err := safePath(escaped)
		if err != nil {
			return
		}
		if at, ok := parsePlace(p); ok && at.rel != "." && !filepath.IsLocal(filepath.FromSlash(at.rel)) {
			t.Fatalf("%q becomes %q", escaped, at.rel)
		}
	})
}
