package bucket

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	gcaws "gocloud.dev/aws"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"

	"mlx/internal/fault"
)

const (
	requestSums  = "request_checksum_calculation"
	responseSums = "response_checksum_validation"
	onlyNeeded   = "when_required"
)

// openS3 opens a bucket of AWS, or of a server that speaks its protocol. All objects are verified by their digests, so
// the library computes no sums of its own unless the URL or the server asks for them.
func openS3(ctx context.Context, u *url.URL, w *wire) (*blob.Bucket, error) {
	q := u.Query()
	endpoint := take(q, "endpoint")
	signBodies := q.Get(requestSums) == "when_supported"
	for _, sums := range []string{requestSums, responseSums} {
		if !q.Has(sums) {
			q.Set(sums, onlyNeeded)
		}
	}
	set, options, err := s3Options(q)
	if err != nil {
		return nil, err
	}
	cfg, err := gcaws.V2ConfigFromURLParams(ctx, q)
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		if endpoint == "" {
			return nil, fault.New(fault.Usage, "no region is known for the bucket").
				Hint("aws configure set region REGION   # or add ?region=REGION to the URL, or set AWS_REGION")
		}
		cfg.Region = "us-east-1"
	}
	cfg.HTTPClient = s3Client{w, s3HTTP(cfg.HTTPClient)}
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	options.RequestChecksumCalculation = cfg.RequestChecksumCalculation
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		if endpoint != "" {
			o.BaseEndpoint, o.UsePathStyle = aws.String(endpoint), true
		}
		set(o)
		if !signBodies {
			o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
		}
	})
	return s3blob.OpenBucket(ctx, client, u.Host, options)
}

// s3Options takes the keys of a URL that are the client's and not the configuration's, as gocloud does.
func s3Options(q url.Values) (func(*s3.Options), *s3blob.Options, error) {
	options := &s3blob.Options{KMSEncryptionID: take(q, "kmskeyid")}
	if word := take(q, "ssetype"); word != "" {
		all := types.ServerSideEncryption("").Values()
		i := slices.IndexFunc(all, func(t types.ServerSideEncryption) bool { return strings.EqualFold(string(t), word) })
		if i < 0 {
			return nil, nil, fault.New(fault.Usage, "ssetype is none of %v", all)
		}
		options.EncryptionType = all[i]
	}
	values := make(map[string]*bool)
	for _, name := range []string{"use_path_style", "s3ForcePathStyle", "accelerate", "disable_https"} {
		word := take(q, name)
		if word == "" {
			continue
		}
		value, err := strconv.ParseBool(word)
		if err != nil {
			return nil, nil, fault.New(fault.Usage, "%s is neither true nor false", name)
		}
		values[name] = &value
	}
	return func(o *s3.Options) {
		for name, value := range values {
			switch name {
			case "accelerate":
				o.UseAccelerate = *value
			case "disable_https":
				o.EndpointOptions.DisableHTTPS = *value
			default:
				o.UsePathStyle = *value
			}
		}
	}, options, nil
}

func take(q url.Values, name string) string {
	value := q.Get(name)
	q.Del(name)
	return value
}

// s3HTTP tunes the client that the configuration made, which knows the proxy and AWS_CA_BUNDLE.
func s3HTTP(c aws.HTTPClient) aws.HTTPClient {
	b, ok := c.(*awshttp.BuildableClient)
	if !ok {
		b = awshttp.NewBuildableClient()
	}
	return b.WithTransportOptions(tune)
}

type s3Client struct {
	wire *wire
	next aws.HTTPClient
}

// Do implements aws.HTTPClient.
func (c s3Client) Do(r *http.Request) (*http.Response, error) { return c.wire.saw(c.next.Do(r)) }

// inParts returns what makes S3's uploads begin with parts at once. Left alone, the library reads the first 16 MiB of each
// into a buffer that it lets grow, which takes 80 MiB. It returns nil for other buckets, and for what must not be there yet:
// not every server honours that condition at the end of an upload in parts.
func inParts(b *blob.Bucket, absent bool) func(as func(any) bool) error {
	var client *s3.Client
	if absent || !b.As(&client) {
		return nil
	}
	return func(as func(any) bool) error {
		var t *transfermanager.Client
		if as(&t) {
			*t = *transfermanager.New(client, func(o *transfermanager.Options) {
				o.RequestChecksumCalculation = client.Options().RequestChecksumCalculation
				o.PartSizeBytes, o.MultipartUploadThreshold, o.Concurrency = partBytes, partBytes, partsAtOnce
			})
		}
		return nil
	}
}
