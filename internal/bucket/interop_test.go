//go:build interop

package bucket_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/fault"
)

// servers returns the URLs of the three servers that .ci/servers starts, and of a folder. A missing one is a failure.
func servers(t *testing.T) map[string]string {
	t.Helper()
	urls := map[string]string{"folder": "file://" + t.TempDir()}
	for _, name := range []string{"MLX_TEST_S3", "MLX_TEST_GCS", "MLX_TEST_AZURE"} {
		if urls[name] = os.Getenv(name); urls[name] == "" {
			t.Fatalf("%s is not set: eval \"$(.ci/servers up)\"", name)
		}
	}
	return urls
}

// each runs a test in an own prefix of each server.
func each(t *testing.T, test func(t *testing.T, b *bucket.Bucket, url string)) {
	for name, url := range servers(t) {
		t.Run(name, func(t *testing.T) {
			place, query, _ := strings.Cut(url, "?")
			if name != "folder" {
				place = fmt.Sprintf("%s/%s-%d", place, strings.ReplaceAll(t.Name(), "/", "-"), time.Now().UnixNano())
			}
			url := place + "?" + query
			b, err := bucket.Open(t.Context(), url, options(t))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			test(t, b, url)
		})
	}
}

func options(t *testing.T) bucket.Options {
	return bucket.Options{Now: time.Now, Env: os.Getenv, Note: t.Logf}
}

func TestInteropWholeBehaviour(t *testing.T) {
	each(t, func(t *testing.T, b *bucket.Bucket, _ string) { behave(t, b) })
}

func TestInteropLarge(t *testing.T) {
	each(t, func(t *testing.T, b *bucket.Bucket, _ string) {
		data := noise(20 << 20)
		if err := b.Write(t.Context(), "packs/large", bytes.NewReader(data), int64(len(data))); err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		if err := b.ReadTo(t.Context(), "packs/large", 0, int64(len(data)), h); err != nil {
			t.Fatal(err)
		}
		if want := sha256.Sum256(data); !bytes.Equal(h.Sum(nil), want[:]) {
			t.Error("other bytes came back")
		}
		part, err := b.ReadRange(t.Context(), "packs/large", 7<<20-3, 9<<20)
		if err != nil || !bytes.Equal(part, data[7<<20-3:16<<20-3]) {
			t.Errorf("a range of 9 MiB: %v", err)
		}
		if b.Sent() < int64(len(data)) || b.Received() < int64(len(data)) || b.Requests() < 3 {
			t.Errorf("counted %d requests, %d bytes out, %d in", b.Requests(), b.Sent(), b.Received())
		}
	})
}

func TestInteropLongListing(t *testing.T) {
	const n = 1500
	each(t, func(t *testing.T, b *bucket.Bucket, _ string) {
		work := make(chan int)
		go func() {
			defer close(work)
			for i := range n {
				work <- i
			}
		}()
		done := make(chan error, 16)
		for range 16 {
			go func() {
				var failed error
				for i := range work {
					key := fmt.Sprintf("log/%016d", i)
					if err := b.Create(t.Context(), key, []byte(key)); err != nil {
						failed = err
					}
				}
				done <- failed
			}()
		}
		for range 16 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		got := list(t, b, "log/")
		if len(got) != n {
			t.Fatalf("listed %d of %d", len(got), n)
		}
		for i, key := range got {
			if want := fmt.Sprintf("log/%016d", i); key != want {
				t.Fatalf("line %d is %s, want %s", i, key, want)
			}
		}
	})
}

func TestInteropCheck(t *testing.T) {
	each(t, func(t *testing.T, b *bucket.Bucket, _ string) {
		probes, err := b.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range probes {
			t.Logf("%s %s: %s", p.Verdict, p.Name, p.Text)
			if p.Verdict != bucket.Pass {
				t.Errorf("%s: %s: %s", p.Verdict, p.Name, p.Text)
			}
		}
		if left := list(t, b, ""); len(left) != 0 {
			t.Errorf("left behind: %q", left)
		}
	})
}

func TestInteropWrongCredentials(t *testing.T) {
	const secret = "bm90IHRoZSByaWdodCBvbmUgYXQgYWxs"
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	t.Setenv("AZURE_STORAGE_KEY", secret)
	for _, name := range []string{"MLX_TEST_S3", "MLX_TEST_AZURE"} { // the server of Google's protocol knows no credentials
		t.Run(name, func(t *testing.T) {
			b, err := bucket.Open(t.Context(), servers(t)[name], options(t))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			_, read := b.Read(t.Context(), "x", 1)
			write := b.Write(t.Context(), "x", bytes.NewReader(nil), 0)
			for _, err := range []error{read, write, b.Create(t.Context(), "x", nil), b.Delete(t.Context(), "x")} {
				if fault.KindOf(err) != fault.Denied {
					t.Errorf("want denied: %v", err)
				}
				if text := fmt.Sprintf("%v %v", err, fault.Hints(err)); strings.Contains(text, secret) || strings.Contains(text, "Signature=") {
					t.Errorf("a secret: %v", err)
				}
			}
		})
	}
}

func TestInteropMissingBucket(t *testing.T) {
	for name, url := range servers(t) {
		t.Run(name, func(t *testing.T) {
			url := strings.Replace(url, "://test?", fmt.Sprintf("://no-such-%d?", time.Now().UnixNano()), 1)
			if name == "folder" {
				url += "/none"
			}
			b, err := bucket.Open(t.Context(), url, options(t))
			if err == nil {
				_, err = b.Read(t.Context(), "x", 1) // a server may make a bucket that is written to
			}
			if fault.KindOf(err) != fault.NotFound {
				t.Errorf("want not-found: %v", err)
			}
		})
	}
}

// BenchmarkInterop moves 256 MiB each way; compare with curl.
func BenchmarkInterop(b *testing.B) {
	data := noise(256 << 20)
	for _, name := range []string{"MLX_TEST_S3", "folder"} {
		url := os.Getenv(name)
		if name == "folder" {
			url = "file://" + b.TempDir()
		}
		place, err := bucket.Open(b.Context(), url, bucket.Options{Now: time.Now, Env: os.Getenv})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/put", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := place.Write(b.Context(), "speed", bytes.NewReader(data), int64(len(data))); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/get", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := place.ReadTo(b.Context(), "speed", 0, int64(len(data)), io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
