package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// fetcher never really waits: it counts the pauses.
func fetcher(pauses *[]time.Duration) *Fetcher {
	return New(Options{Stall: 200 * time.Millisecond, Wait: func(ctx context.Context, d time.Duration) error {
		if pauses != nil {
			*pauses = append(*pauses, d)
		}
		return ctx.Err()
	}})
}

func get(t *testing.T, f *Fetcher, url string, pins ...Pin) (Result, []byte, error) {
	t.Helper()
	src, err := Parse(url, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "x.bin")
	res, err := f.Fetch(t.Context(), Request{Source: src, Dest: dest, Pins: pins})
	if err != nil {
		return res, nil, err
	}
	if !res.Changed {
		return res, nil, nil
	}
	got, err := os.ReadFile(dest)
	if err != nil {
		t.Fatal(err)
	}
	return res, got, nil
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

// cutting serves data in pieces: the connection breaks after each.
type cutting struct {
	data   []byte
	piece  int
	etag   string
	ranges bool
	gets   atomic.Int64
}

func (c *cutting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.gets.Add(1)
	from := 0
	w.Header().Set("ETag", c.etag)
	if v := r.Header.Get("Range"); v != "" && c.ranges && r.Header.Get("If-Range") == c.etag {
		if _, err := fmt.Sscanf(v, "bytes=%d-", &from); err != nil {
			w.WriteHeader(400)
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(c.data)-1, len(c.data)))
		w.Header().Set("Content-Length", fmt.Sprint(len(c.data)-from))
		w.WriteHeader(206)
	} else {
		w.Header().Set("Content-Length", fmt.Sprint(len(c.data)))
	}
	to := min(len(c.data), from+c.piece)
	w.Write(c.data[from:to])
	if to < len(c.data) {
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func TestCutDownloadGoesOn(t *testing.T) {
	data := noise(1 << 20)
	h := &cutting{data: data, piece: 100_000, etag: `"v1"`, ranges: true}
	srv := httptest.NewServer(h)
	defer srv.Close()
	res, got, err := get(t, fetcher(nil), srv.URL+"/x.bin")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) || res.Pins[0].Digest != object.Sum(data) || res.Pins[0].ETag != `"v1"` || res.Pins[0].Bytes != 1<<20 {
		t.Errorf("got %d bytes, pins %+v", len(got), res.Pins)
	}
	if n := h.gets.Load(); n != 11 {
		t.Errorf("%d requests, want 11 pieces", n)
	}
}

// A server without ranges starts again each time; it never gets further, so it is given up.
func TestCutWithoutRangesIsGivenUp(t *testing.T) {
	var pauses []time.Duration
	h := &cutting{data: noise(1 << 20), piece: 1 << 19, etag: `"v1"`}
	srv := httptest.NewServer(h)
	defer srv.Close()
	_, _, err := get(t, fetcher(&pauses), srv.URL)
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "broke after") {
		t.Errorf("got %v", err)
	}
	if len(pauses) != 5 || h.gets.Load() != 6 {
		t.Errorf("%d pauses, %d requests", len(pauses), h.gets.Load())
	}
}

func TestWebAnswers(t *testing.T) {
	data := noise(50_000)
	sum := sha256.Sum256(data)
	first := func(status int, then http.HandlerFunc) http.HandlerFunc {
		var n atomic.Int64
		return func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 1 {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(status)
				return
			}
			then(w, r)
		}
	}
	good := func(w http.ResponseWriter, _ *http.Request) { w.Write(data) }
	changing := func() http.HandlerFunc {
		var n atomic.Int64
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", fmt.Sprintf(`"v%d"`, n.Add(1)))
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Write(data[:1000])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	announcing := func(name, value string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(name, value)
			good(w, r)
		}
	}
	wrongPart := func() http.HandlerFunc {
		h := &cutting{data: data, piece: 1000, etag: `"v"`}
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.Header().Set("ETag", `"v"`)
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 10-%d/%d", len(data)-1, len(data)))
				w.WriteHeader(206)
				return
			}
			h.ServeHTTP(w, r)
		}
	}
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		kind    fault.Kind
		text    string
	}{
		{"good", good, 0, ""},
		{"busy, then good", first(503, good), 0, ""},
		{"too many, then good", first(429, good), 0, ""},
		{"not there", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, fault.NotFound, "404 Not Found"},
		{"forbidden", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, fault.Denied, "403 Forbidden"},
		{"always broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, fault.Unavailable, "after 6 tries"},
		{"not modified, unasked", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, fault.Unavailable, "nobody asked"},
		{"a part, unasked", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-9/10")
			w.WriteHeader(206)
			w.Write(make([]byte, 10))
		}, fault.Unavailable, "not asked for"},
		{"changes meanwhile", changing(), fault.Unavailable, "changed while it was read"},
		{"another part than asked for", wrongPart(), fault.Unavailable, "changed while it was read"},
		{"says the right digest", announcing("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":"), 0, ""},
		{"lies about the digest", announcing("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(make([]byte, 32))+":"), fault.Integrity, "SHA-256"},
		{"lies about the MD5", announcing("Content-MD5", base64.StdEncoding.EncodeToString(make([]byte, 16))), fault.Integrity, "MD5"},
		{"google's MD5 is wrong", announcing("X-Goog-Hash", "crc32c=AAAAAA==,md5=AAAAAAAAAAAAAAAAAAAAAA=="), fault.Integrity, "MD5"},
		{"redirects to a file", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(302)
		}, fault.Denied, "redirects to file:"},
		{"redirects for ever", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"a?token=geheim", http.StatusFound)
		}, fault.Unavailable, "redirections"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(c.handler)
			defer srv.Close()
			_, got, err := get(t, fetcher(nil), srv.URL+"/x?token=geheim")
			if c.text == "" {
				if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("got %d bytes, %v", len(got), err)
				}
				return
			}
			if err == nil || fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v of kind %v", err, fault.KindOf(err))
			}
			if strings.Contains(fmt.Sprint(err, fault.Hints(err)), "geheim") {
				t.Errorf("the error tells the token: %v", err)
			}
		})
	}
}

func TestServerSaysHowLongToWait(t *testing.T) {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(429)
		}
		w.Write([]byte("x"))
	}))
	defer srv.Close()
	var pauses []time.Duration
	if _, _, err := get(t, fetcher(&pauses), srv.URL); err != nil || len(pauses) != 1 || pauses[0] != 7*time.Second {
		t.Errorf("pauses %v, %v", pauses, err)
	}
}

// A silent connection counts as broken, and what came before it stays.
func TestStalledConnection(t *testing.T) {
	data := noise(100_000)
	whole := &cutting{data: data, piece: len(data), etag: `"v"`, ranges: true}
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) > 1 {
			whole.ServeHTTP(w, r)
			return
		}
		w.Header().Set("ETag", `"v"`)
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:50_000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer srv.Close()
	_, got, err := get(t, fetcher(nil), srv.URL)
	if err != nil || !bytes.Equal(got, data) || n.Load() != 2 {
		t.Errorf("got %d bytes after %d requests, %v", len(got), n.Load(), err)
	}
}

func TestNotReadAgain(t *testing.T) {
	data := noise(10_000)
	for _, c := range []struct {
		name     string
		etag     string
		modified string
		knows304 bool
		bodies   int64
	}{
		{"etag and 304", `"a"`, "", true, 0},
		{"weak etag and 304", `W/"a"`, "", true, 0},
		{"time and 304", "", "Mon, 02 Jan 2026 15:04:05 GMT", true, 0},
		{"etag, no 304", `"a"`, "", false, 1},
		{"nothing said", "", "", false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var bodies atomic.Int64
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.etag != "" {
					w.Header().Set("ETag", c.etag)
				}
				if c.modified != "" {
					w.Header().Set("Last-Modified", c.modified)
				}
				if c.knows304 && (c.etag != "" && r.Header.Get("If-None-Match") == c.etag || c.modified != "" && r.Header.Get("If-Modified-Since") == c.modified) {
					w.WriteHeader(304)
					return
				}
				bodies.Add(1)
				w.Write(data)
			}))
			defer srv.Close()
			first, _, err := get(t, fetcher(nil), srv.URL)
			if err != nil || !first.Changed {
				t.Fatal(first, err)
			}
			again, _, err := get(t, fetcher(nil), srv.URL, first.Pins...)
			if err != nil || again.Changed {
				t.Errorf("changed: %+v, %v", again, err)
			}
			if n := bodies.Load() - 1; n != c.bodies {
				t.Errorf("%d bodies more, want %d", n, c.bodies)
			}
		})
	}
}

func TestNoStepDownFromHTTPS(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("x")) }))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL+"/y?sig=geheim", http.StatusFound))
	defer secure.Close()
	f := fetcher(nil)
	f.client = newClient(secure.Client().Transport)
	_, _, err := get(t, f, secure.URL)
	if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "from https to http") {
		t.Errorf("got %v", err)
	}
	if strings.Contains(fmt.Sprint(err, fault.Hints(err)), "geheim") {
		t.Errorf("%v %v", err, fault.Hints(err))
	}
}

func TestUnknownAuthority(t *testing.T) {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	var pauses []time.Duration
	_, _, err := get(t, fetcher(&pauses), srv.URL)
	if fault.KindOf(err) != fault.Unavailable || len(pauses) != 0 {
		t.Errorf("got %v after %d pauses", err, len(pauses))
	}
}

// User and password are used and stay out of what is shown.
func TestCredentialsAreUsed(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, pass, _ := r.BasicAuth(); user != "ana" || pass != "geheim" {
			w.WriteHeader(401)
			return
		}
		w.Write([]byte("x"))
	}))
	defer srv.Close()
	url := strings.Replace(srv.URL, "http://", "http://ana:geheim@", 1)
	if _, got, err := get(t, fetcher(nil), url); err != nil || string(got) != "x" {
		t.Errorf("got %q, %v", got, err)
	}
	src, err := Parse(url, "/")
	if err != nil || strings.Contains(src.Shown, "ana") || !src.Withheld {
		t.Errorf("shown as %s, %v", src.Shown, err)
	}
}

func TestFullDiskIsNotTriedAgain(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	h := &cutting{data: noise(1000), piece: 1000}
	srv := httptest.NewServer(h)
	defer srv.Close()
	var pauses []time.Duration
	f := fetcher(&pauses)
	out := &part{f: full, sha: sha256.New(), md5: sha256.New(), progress: silent{}}
	err = (&download{f: f, url: srv.URL, out: out}).run(t.Context())
	if !errors.Is(err, errDisk) || fault.KindOf(err) != fault.Unavailable || len(pauses) != 0 {
		t.Errorf("got %v of kind %v after %d pauses", err, fault.KindOf(err), len(pauses))
	}
}
