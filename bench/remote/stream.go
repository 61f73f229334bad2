package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// child is what the measured processes do that are not mlx.
func child(ctx context.Context, args []string) error {
	switch {
	case args[0] == "child-put" && len(args) == 4:
		return put(ctx, args[1], args[2], args[3])
	case args[0] == "child-get" && len(args) == 4:
		return get(ctx, args[1], args[2], args[3])
	case args[0] == "child-fill" && len(args) == 3:
		return fill(ctx, args[1], args[2])
	}
	return fmt.Errorf("unknown child %q", args)
}

// put sends a file as one stream: the least that any program can do to store it.
func put(ctx context.Context, key, url, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, url, f)
	if err != nil {
		return err
	}
	r.ContentLength = info.Size()
	return send(r, key, io.Discard)
}

// get receives an object as one stream, into a file.
func get(ctx context.Context, key, url, file string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := send(r, key, f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

func send(r *http.Request, key string, to io.Writer) error {
	sign(r, key, time.Now().UTC())
	client := &http.Client{Transport: &http.Transport{WriteBufferSize: 256 << 10, ReadBufferSize: 256 << 10, DisableCompression: true}}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", r.Method, r.URL, resp.Status)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{to}, resp.Body, make([]byte, 1<<20))
	return err
}

// sign adds a signature of version 4 to a request whose body is not part of it.
func sign(r *http.Request, key string, now time.Time) {
	const names, body = "host;x-amz-content-sha256;x-amz-date", "UNSIGNED-PAYLOAD"
	stamp := now.Format("20060102T150405Z")
	canonical := fmt.Sprintf("%s\n%s\n\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n%s\n%s", r.Method, r.URL.EscapedPath(), r.URL.Host, body, stamp, names, body)
	scope := stamp[:8] + "/us-east-1/s3/aws4_request"
	sum := sha256.Sum256([]byte(canonical))
	mac := []byte("AWS4" + key)
	for _, part := range []string{stamp[:8], "us-east-1", "s3", "aws4_request", "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(sum[:])} {
		h := hmac.New(sha256.New, mac)
		io.WriteString(h, part)
		mac = h.Sum(nil)
	}
	r.Header.Set("X-Amz-Date", stamp)
	r.Header.Set("X-Amz-Content-Sha256", body)
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x", key, scope, names, mac))
}
