package bucket

import (
	"context"
	"time"

	"cloud.google.com/go/storage"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"
)

// facts is what the libraries tell of a place beyond objects.
type facts struct {
	credentials string // where they were looked for, and found
	cloud       bool
}

// look finds out where credentials came from. It names places, never values.
func (b *Bucket) look(ctx context.Context) *facts {
	p, ok := b.driver.(*portable)
	if !ok || p.wire == nil {
		return &facts{credentials: "no credentials are needed"}
	}
	f := &facts{cloud: true}
	bucket, _ := p.current()
	var s3client *s3.Client
	var google *storage.Client
	switch {
	case bucket.As(&s3client):
		f.credentials = "credentials were looked for in AWS_ACCESS_KEY_ID and AWS_PROFILE, ~/.aws, single sign-on, and the roles of the container or machine: "
		provider := s3client.Options().Credentials
		if provider == nil {
			f.credentials += "none are used"
		} else if c, err := provider.Retrieve(ctx); err != nil {
			f.credentials += "none were found"
		} else {
			f.credentials += "found by " + scrub(c.Source)
		}
	case bucket.As(&google):
		f.credentials = "credentials were looked for in GOOGLE_APPLICATION_CREDENTIALS, those of gcloud, and the account of the machine (none with anonymous=true)"
	default:
		f.credentials = "credentials were looked for in AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, " +
			"AZURE_STORAGE_CONNECTION_STRING, AZURE_CLIENT_ID and the like, the identity of the machine, and az login"
	}
	return f
}

// object is what the libraries tell of one object of ours: whether old versions of it are kept, and how it is encrypted.
type object struct {
	versioned bool
	sealed    string
	err       error
}

// inspect asks the library of the cloud about an object that the probes wrote, once.
func (c *check) inspect(ctx context.Context) object {
	if c.object == nil {
		p := c.b.driver.(*portable)
		b, _ := p.current()
		a, err := b.Attributes(ctx, p.prefix+c.key("b"))
		if err != nil {
			return object{err: classify(err)}
		}
		o := described(ctx, b, a)
		c.object = &o
	}
	return *c.object
}

func described(ctx context.Context, b *blob.Bucket, a *blob.Attributes) object {
	var head s3.HeadObjectOutput
	var google storage.ObjectAttrs
	var azure azblob.GetPropertiesResponse
	switch {
	case a.As(&head):
		o := object{versioned: aws.ToString(head.VersionId) != "" && aws.ToString(head.VersionId) != "null", sealed: string(head.ServerSideEncryption)}
		if head.ServerSideEncryption == types.ServerSideEncryptionAwsKms && head.SSEKMSKeyId != nil {
			o.sealed += " with a key of KMS"
		}
		return o
	case a.As(&google):
		o := object{sealed: "the keys of Google"}
		if google.KMSKeyName != "" {
			o.sealed = "a key of KMS"
		}
		var client *storage.Client
		if b.As(&client) {
			attrs, err := client.Bucket(google.Bucket).Attrs(ctx)
			if err != nil {
				return object{sealed: o.sealed, err: classify(err)}
			}
			o.versioned = attrs.VersioningEnabled
		}
		return o
	case a.As(&azure):
		o := object{versioned: azure.VersionID != nil, sealed: "the keys of Azure"}
		if azure.EncryptionScope != nil {
			o.sealed = "an encryption scope"
		}
		return o
	}
	return object{}
}

func (c *check) versions(ctx context.Context) Probe {
	const name = "old versions"
	switch {
	case c.unreachable || c.unwritable:
		return skipped(name)
	case !c.facts.cloud:
		return pass(name, "what is deleted is gone")
	}
	o := c.inspect(ctx)
	switch {
	case o.err != nil:
		return Probe{name, Inconclusive, "these credentials may not see whether the bucket keeps old versions: " + o.err.Error(), ""}
	case o.versioned:
		return Probe{name, Inconclusive, "the bucket keeps old versions: everything works, but what mlx deletes or erases still lies there, and costs", ""}
	}
	return pass(name, "what is deleted is gone")
}

func (c *check) encryption(ctx context.Context) Probe {
	const name = "encryption at rest"
	switch {
	case c.unreachable || c.unwritable:
		return skipped(name)
	case !c.facts.cloud:
		return pass(name, "that of the disk, if any")
	}
	o := c.inspect(ctx)
	switch {
	case o.sealed != "":
		return pass(name, "the server encrypts with %s", o.sealed)
	case o.err != nil:
		return Probe{name, Inconclusive, o.err.Error(), ""}
	}
	return pass(name, "the server says nothing of it")
}

func (c *check) clock(context.Context) Probe {
	const name = "clock"
	if !c.facts.cloud {
		return pass(name, "there is no other clock")
	}
	skew, seen := c.b.driver.(*portable).wire.clock()
	switch {
	case !seen:
		return Probe{name, Inconclusive, "no reply told the time of the server", ""}
	case skew.Abs() > mostSkew:
		return Probe{name, Fail, "the clock of this machine differs from the server's by " + skew.Abs().Round(time.Second).String() +
			": the server refuses signed requests, and the times in records are wrong", "timedatectl set-ntp true   # let the network set the clock"}
	}
	return pass(name, "it agrees with the server's within %v", mostSkew)
}
