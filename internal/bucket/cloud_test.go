package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/fault"
)

const secretKey = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"

// s3 is a server of which a test says what it answers; what it says is in the words of S3.
func s3(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	t.Setenv("AWS_SESSION_TOKEN", "token-"+secretKey)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/none")
	return "s3://acme-ml/flights?endpoint=" + server.URL
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message)
}

func open(t *testing.T, url string, o bucket.Options) *bucket.Bucket {
	t.Helper()
	b, err := bucket.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		status int
		code   string
		kind   fault.Kind
		calls  int64
	}{
		{404, "NoSuchKey", fault.NotFound, 1},
		{404, "NoSuchBucket", fault.NotFound, 1},
		{403, "AccessDenied", fault.Denied, 1},
		{403, "SignatureDoesNotMatch", fault.Denied, 1},
		{403, "InvalidAccessKeyId", fault.Denied, 1},
		{403, "RequestTimeTooSkewed", fault.Denied, 1},
		{400, "InvalidToken", fault.Denied, 1},
		{301, "PermanentRedirect", fault.Denied, 1},
		{416, "InvalidRange", fault.Integrity, 1},
		{412, "PreconditionFailed", fault.Conflict, 1},
		{409, "ConditionalRequestConflict", fault.Unavailable, 6},
		{503, "SlowDown", fault.Unavailable, 6},
		{429, "TooManyRequests", fault.Unavailable, 6},
		{500, "InternalError", fault.Unavailable, 6},
		{502, "", fault.Unavailable, 6},
	} {
		t.Run(fmt.Sprintf("%d %s", tt.status, tt.code), func(t *testing.T) {
			var calls atomic.Int64
			url := s3(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				refuse(w, tt.status, tt.code, "no: "+r.Header.Get("Authorization")+" "+r.Header.Get("X-Amz-Security-Token")+" at http://h/x?X-Amz-Signature=abcdef&amp;k="+secretKey)
			})
			var notes strings.Builder
			o := quick()
			o.Note = func(format string, args ...any) { fmt.Fprintf(&notes, format, args...) }
			b := open(t, url, o)
			_, err := b.Read(t.Context(), "k", 10)
			if fault.KindOf(err) != tt.kind || calls.Load() != tt.calls {
				t.Errorf("%d calls: %s: %v", calls.Load(), fault.KindOf(err), err)
			}
			text := fmt.Sprint(err, fault.Hints(err), notes.String(), b.URL())
			for _, secret := range []string{secretKey, "abcdef", "Signature=", "SignedHeaders"} {
				if strings.Contains(text, secret) {
					t.Errorf("%q is in: %s", secret, text)
				}
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	var calls atomic.Int64
	url := s3(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			w.Header().Set("Retry-After", "17")
			refuse(w, 503, "SlowDown", "please")
			return
		}
		_, _ = w.Write([]byte("hello"))
	})
	var waited time.Duration
	o := quick()
	o.Wait = func(_ context.Context, d time.Duration) error { waited += d; return nil }
	if got, err := open(t, url, o).Read(t.Context(), "k", 10); err != nil || string(got) != "hello" || waited != 17*time.Second {
		t.Errorf("%q after %v: %v", got, waited, err)
	}
}

// TestExpiredCredentials: they are looked up again once, and the upload goes on; if they are no better, that is denied.
func TestExpiredCredentials(t *testing.T) {
	var calls atomic.Int64
	url := s3(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if strings.Contains(r.Header.Get("Authorization"), "AKIAIOSFODNN7EXAMPLE") {
			refuse(w, 400, "ExpiredToken", "The provided token has expired.")
		}
	})
	b := open(t, url, quick())
	if err := b.Write(t.Context(), "k", strings.NewReader("hello"), 5); fault.KindOf(err) != fault.Denied || calls.Load() != 2 {
		t.Errorf("%d calls: %v", calls.Load(), err)
	}
	calls.Store(0)
	b = open(t, url, quick())
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIANEW") // the chain has new ones from now on
	if err := b.Write(t.Context(), "k", strings.NewReader("hello"), 5); err != nil || calls.Load() != 2 {
		t.Errorf("%d calls: %v", calls.Load(), err)
	}
}

// TestBrokenConnections: the server hangs up in the middle of each body; ranges go on where it did.
func TestBrokenConnections(t *testing.T) {
	data := noise(300_000)
	var calls atomic.Int64
	url := s3(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		from := 0
		if span, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
			first, _, _ := strings.Cut(span, "-")
			from, _ = strconv.Atoi(first)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)-from))
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = w.Write(data[from:min(from+100_000, len(data))])
		if from+100_000 < len(data) {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	got, err := open(t, url, quick()).Read(t.Context(), "k", int64(len(data)))
	if err != nil || !bytes.Equal(got, data) || calls.Load() != 3 {
		t.Errorf("%d bytes in %d calls: %v", len(got), calls.Load(), err)
	}
}

func TestNobodyThere(t *testing.T) {
	url := s3(t, nil)
	b := open(t, strings.Replace(url, "127.0.0.1", "127.0.0.2", 1), quick())
	if _, err := b.Size(t.Context(), "k"); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "refused") {
		t.Errorf("want unavailable, connection refused: %v", err)
	}
}

func TestNoCredentials(t *testing.T) {
	url := s3(t, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	if _, err := open(t, url, quick()).Size(t.Context(), "k"); fault.KindOf(err) != fault.Denied || len(fault.Hints(err)) == 0 {
		t.Errorf("want denied: %v %q", err, fault.Hints(err))
	}
}

func TestConditionIsSent(t *testing.T) {
	url := s3(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut || r.Header.Get("If-None-Match") != "*" || r.URL.Path != "/acme-ml/flights/log/1" {
			t.Errorf("%s %s without the condition", r.Method, r.URL.Path)
		}
		refuse(w, 412, "PreconditionFailed", "taken")
	})
	if err := open(t, url, quick()).Create(t.Context(), "log/1", []byte("x")); !errors.Is(err, fs.ErrExist) || fault.KindOf(err) != fault.Conflict {
		t.Errorf("want conflict: %v", err)
	}
}

func TestCancelledUpload(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := s3(t, func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		refuse(w, 503, "SlowDown", "please")
	})
	if err := open(t, url, quick()).Write(ctx, "k", strings.NewReader("hello"), 5); fault.KindOf(err) != fault.Interrupted {
		t.Errorf("want interrupted: %v", err)
	}
}

func TestClockOfTheServer(t *testing.T) {
	url := s3(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).Format(http.TimeFormat))
		refuse(w, 404, "NoSuchKey", "none")
	})
	o := quick()
	o.Now = func() time.Time { return time.Date(2026, 7, 1, 12, 7, 0, 0, time.UTC) }
	probes, err := open(t, url, o).Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if last := probes[len(probes)-1]; last.Verdict != bucket.Fail || !strings.Contains(last.Text, "7m0s") || last.Hint == "" {
		t.Errorf("%+v", last)
	}
}

func TestURLs(t *testing.T) {
	for _, tt := range []struct {
		url  string
		kind fault.Kind
	}{
		{"s3://key:" + secretKey + "@bucket/p", fault.Denied},
		{"s3://bucket/p?region=eu-west-1&secret_access_key=" + secretKey, fault.Denied},
		{"s3://bucket?X-Amz-Signature=" + secretKey, fault.Denied},
		{"s3://bucket?endpoint=http://u:" + secretKey + "@h", fault.Denied},
		{"s3://bucket?endpoint=http://h/?sig=" + secretKey, fault.Denied},
		{"azblob://container?sig=" + secretKey, fault.Denied},
		{"gs://bucket?access_id=" + secretKey, fault.Denied},
		{"gs://bucket?private_key_path=" + secretKey, fault.Denied},
		{"s3://bucket?colour=blue", fault.Usage},
		{"s3://bucket?endpoint=ftp://h", fault.Usage},
		{"s3://bucket?region=a&region=b", fault.Usage},
		{"s3://bucket?endpoint=http://h&use_path_style=perhaps", fault.Usage},
		{"s3:///p", fault.Usage},
		{"ftp://" + secretKey, fault.Usage},
		{"file://relative/" + secretKey, fault.Usage},
		{"file:///none/there", fault.NotFound},
		{"azblob://container?localemu=perhaps", fault.Usage},
		{"%zz" + secretKey, fault.Usage},
	} {
		_, err := bucket.Open(t.Context(), tt.url, quick())
		if fault.KindOf(err) != tt.kind {
			t.Errorf("%s: %s: %v, want %s", tt.url, fault.KindOf(err), err, tt.kind)
			continue
		}
		if strings.HasPrefix(tt.url, "file:") {
			continue
		}
		if strings.Contains(fmt.Sprint(err, fault.Hints(err)), secretKey) {
			t.Errorf("%s: the secret is in: %v", tt.url, err)
		}
	}
	b := bucket.New(nil, "s3://u:p@bucket/a?x=y#z", quick())
	if b.URL() != "s3://bucket/a" {
		t.Errorf("for people: %s", b.URL())
	}
}
