package bucket

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"

	"mlx/internal/fault"
)

// openAzure opens a container of Azure Blob Storage. Credentials are looked for in the order of gocloud: account and key,
// shared access signature, connection string, and then the chain of Azure's own tools.
func openAzure(ctx context.Context, u *url.URL, w *wire, env func(string) string) (*blob.Bucket, error) {
	service, err := azureService(u.Query())
	if err != nil {
		return nil, err
	}
	if env == nil {
		client, err := azureblob.NewDefaultClient(service, azureblob.ContainerName(u.Host))
		if err != nil {
			return nil, noAzure()
		}
		return azureblob.OpenBucket(ctx, client, nil)
	}
	at, err := url.JoinPath(string(service), u.Host)
	if err != nil {
		return nil, fault.New(fault.Usage, "the URL names no container of Azure")
	}
	client, err := azureClient(at, u.Host, env, &container.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: &http.Client{Transport: watch{w, w.transport()}},
		Retry:     policy.RetryOptions{MaxRetries: -1}, // Bucket does that
	}})
	if err != nil {
		return nil, noAzure()
	}
	return azureblob.OpenBucket(ctx, client, nil)
}

func azureClient(at, name string, env func(string) string, o *container.ClientOptions) (*container.Client, error) {
	account, key, text := env("AZURE_STORAGE_ACCOUNT"), env("AZURE_STORAGE_KEY"), env("AZURE_STORAGE_CONNECTION_STRING")
	if text == "" {
		text = env("AZURE_STORAGEBLOB_CONNECTIONSTRING")
	}
	switch {
	case account != "" && key != "":
		cred, err := container.NewSharedKeyCredential(account, key)
		if err != nil {
			return nil, err
		}
		return container.NewClientWithSharedKeyCredential(at, cred, o)
	case env("AZURE_STORAGE_SAS_TOKEN") != "":
		return container.NewClientWithNoCredential(at, o)
	case text != "":
		return container.NewClientFromConnectionString(text, name, o)
	}
	cred, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, err
	}
	return container.NewClient(at, cred, o)
}

// azureService returns the address of the account. With a signature in the environment the URL must not lead it elsewhere.
func azureService(q url.Values) (azureblob.ServiceURL, error) {
	o := azureblob.NewDefaultServiceURLOptions()
	if o.SASToken != "" && (q.Has("domain") || q.Has("protocol") || q.Has("cdn") || q.Has("localemu") || q.Has("storage_account")) {
		return "", fault.New(fault.Denied, "the URL names another server than the environment, which must not get AZURE_STORAGE_SAS_TOKEN").
			Hint("export AZURE_STORAGE_DOMAIN=DOMAIN   # and take domain, protocol, cdn, localemu and storage_account out of the URL")
	}
	for name, to := range map[string]*string{"domain": &o.StorageDomain, "protocol": &o.Protocol, "storage_account": &o.AccountName} {
		if q.Has(name) {
			*to = q.Get(name)
		}
	}
	for name, to := range map[string]*bool{"cdn": &o.IsCDN, "localemu": &o.IsLocalEmulator} {
		if !q.Has(name) {
			continue
		}
		value, err := strconv.ParseBool(q.Get(name))
		if err != nil {
			return "", fault.New(fault.Usage, "%s is neither true nor false", name)
		}
		*to = value
	}
	if o.AccountName == "" {
		return "", noAzure()
	}
	service, err := azureblob.NewServiceURL(o)
	if err != nil {
		return "", fault.New(fault.Usage, "the protocol is neither http nor https")
	}
	return service, nil
}

func noAzure() error {
	return fault.New(fault.Denied, "no storage account and credentials of Azure were found").
		Hint("az login   # and set AZURE_STORAGE_ACCOUNT; or set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY")
}
