package bucket

import (
	"context"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"gocloud.dev/blob"

	"mlx/internal/bucket/filedriver"
	"mlx/internal/fault"
)

// Open opens the place that a URL names:
//
//	s3://bucket/prefix?region=R&endpoint=URL&profile=P&anonymous=true…
//	gs://bucket/prefix?anonymous=true
//	azblob://container/prefix?storage_account=A&domain=D&protocol=P&localemu=true
//	file:///absolute/path
//
// The path is a prefix of all keys. Credentials come from where each cloud's own tools look for them, never from the URL.
// Nothing is sent before the first call.
func Open(ctx context.Context, raw string, o Options) (*Bucket, error) {
	u, err := parse(raw)
	if err != nil {
		return nil, err
	}
	w := &wire{now: o.Now}
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		prefix += "/"
	}
	var open opener
	switch u.Scheme {
	case "file":
		open, prefix, w = func(context.Context) (*blob.Bucket, error) { return openFolder(u) }, "", nil
	case "s3":
		open = func(ctx context.Context) (*blob.Bucket, error) { return openS3(ctx, u, w) }
	case "gs":
		open = func(ctx context.Context) (*blob.Bucket, error) { return openGCS(ctx, u, w) }
	case "azblob":
		open = func(ctx context.Context) (*blob.Bucket, error) { return openAzure(ctx, u, w, o.Env) }
	}
	d, err := newPortable(ctx, prefix, open, w)
	if err != nil {
		err = classify(err)
		return nil, fault.New(fault.KindOf(err), "cannot open %s: %w", plainURL(raw), err)
	}
	return New(d, raw, o), nil
}

// known lists what may stand behind the ? of a URL, by scheme.
func known(scheme string) []string {
	switch scheme {
	case "s3":
		return []string{"accelerate", "anonymous", "disable_https", "dualstack", "endpoint", "fips", "hostname_immutable",
			"kmskeyid", "profile", "rate_limiter_capacity", "region", "request_checksum_calculation",
			"response_checksum_validation", "role", "s3ForcePathStyle", "ssetype", "use_path_style"}
	case "gs":
		return []string{"anonymous", "universe_domain"}
	case "azblob":
		return []string{"cdn", "domain", "localemu", "protocol", "storage_account"}
	}
	return nil
}

var secretName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)key|secret|token|passw|sig|credential|auth|access_id`)
})

// parse checks a URL and refuses secrets in it. Its errors do not repeat the URL.
func parse(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fault.New(fault.Usage, "this is no URL of a bucket")
	}
	switch u.Scheme {
	case "s3", "gs", "azblob":
		if u.Host == "" {
			return nil, fault.New(fault.Usage, "the URL %s names no bucket", plainURL(raw))
		}
	case "file":
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") {
			return nil, fault.New(fault.Usage, "the URL %s has no absolute path: write file:///PATH", plainURL(raw))
		}
	default:
		return nil, fault.New(fault.Usage, "no bucket is known under the scheme %q: s3, gs, azblob and file are", u.Scheme)
	}
	if u.User != nil || u.Fragment != "" {
		return nil, secretInURL(u.Scheme, "a user or password")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fault.New(fault.Usage, "the query of %s cannot be read", plainURL(raw))
	}
	names := known(u.Scheme)
	for name, values := range query {
		switch {
		case !slices.Contains(names, name) && secretName().MatchString(name):
			return nil, secretInURL(u.Scheme, "something secret")
		case !slices.Contains(names, name):
			return nil, fault.New(fault.Usage, "%s knows no %q; known are: %s", plainURL(raw), name, strings.Join(names, " "))
		case len(values) != 1:
			return nil, fault.New(fault.Usage, "%q stands more than once in %s", name, plainURL(raw))
		}
	}
	return u, parseEndpoint(query.Get("endpoint"))
}

func parseEndpoint(raw string) error {
	if raw == "" {
		return nil
	}
	e, err := url.Parse(raw)
	switch {
	case err != nil || e.Host == "" || e.Scheme != "http" && e.Scheme != "https":
		return fault.New(fault.Usage, "the endpoint is no URL that begins with https:// or http://")
	case e.User != nil || e.RawQuery != "" || e.Fragment != "":
		return secretInURL("s3", "a user, a password or a query in the endpoint")
	}
	return nil
}

func secretInURL(scheme, what string) error {
	err := fault.New(fault.Denied, "there is %s in the URL, where everyone who reads mlx.yaml sees it", what)
	switch scheme {
	case "s3":
		return err.Hint("aws configure --profile NAME   # then add ?profile=NAME to the URL, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	case "gs":
		return err.Hint("gcloud auth application-default login   # or set GOOGLE_APPLICATION_CREDENTIALS")
	case "azblob":
		return err.Hint("az login   # or set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY")
	}
	return err
}

func openFolder(u *url.URL) (*blob.Bucket, error) {
	folder := filepath.FromSlash(u.Path)
	if len(folder) > 2 && folder[0] == '\\' && folder[2] == ':' { // file:///C:/path
		folder = folder[1:]
	}
	d, err := filedriver.Open(folder)
	if err != nil {
		err = classify(err)
		if fault.KindOf(err) == fault.NotFound {
			return nil, fault.New(fault.NotFound, "%w", err).Hint("mkdir -p %s   # the folder is not there, or its disk is not mounted", folder)
		}
		return nil, err
	}
	return blob.NewBucket(d), nil
}
