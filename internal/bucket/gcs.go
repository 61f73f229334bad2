package bucket

import (
	"context"
	"net/url"

	"cloud.google.com/go/storage"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/gcp"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/option"

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
	options := []option.ClientOption{option.WithHTTPClient(&client.Client)}
	if domain := q.Get("universe_domain"); domain != "" {
		options = append(options, option.WithUniverseDomain(domain))
	}
	library, err := storage.NewClient(ctx, options...)
	if err != nil {
		return nil, err
	}
	library.SetRetry(storage.WithPolicy(storage.RetryNever)) // Bucket does that
	return gcsblob.OpenBucket(ctx, nil, u.Host, &gcsblob.Options{Client: library})
}
