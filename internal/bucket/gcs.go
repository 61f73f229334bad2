package bucket

import (
	"context"
	"net/url"

	"cloud.google.com/go/storage"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/gcp"
	"golang.org/x/oauth2/google"

	"mlx/internal/fault"
)

// openGCS opens a bucket of Google Cloud Storage. The library itself honours STORAGE_EMULATOR_HOST.
func openGCS(ctx context.Context, u *url.URL, w *wire) (*blob.Bucket, error) {
	q := u.Query()
	transport := watch{w, w.transport()}
	client := gcp.NewAnonymousHTTPClient(transport)
	if q.Get("anonymous") != "true" {
		creds, err := gcp.DefaultCredentialsWithParams(ctx, google.CredentialsParams{UniverseDomain: q.Get("universe_domain")})
		if err != nil {
			return nil, fault.New(fault.Denied, "no credentials of Google Cloud were found").
				Hint("gcloud auth application-default login   # or set GOOGLE_APPLICATION_CREDENTIALS")
		}
		if client, err = gcp.NewHTTPClient(transport, gcp.CredentialsTokenSource(creds)); err != nil {
			return nil, err
		}
	}
	b, err := gcsblob.OpenBucket(ctx, client, u.Host, nil)
	if err != nil {
		return nil, err
	}
	var library *storage.Client
	if b.As(&library) {
		library.SetRetry(storage.WithPolicy(storage.RetryNever)) // Bucket does that
	}
	return b, nil
}
