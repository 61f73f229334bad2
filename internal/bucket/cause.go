package bucket

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"gocloud.dev/gcerrors"
	"google.golang.org/api/googleapi"

	"mlx/internal/fault"
)

const longestText = 300

// cause is what a place of objects said, in plain words. It wraps only the sentinel that it means, never the error of a
// client library: those quote requests, and with them signatures.
type cause struct {
	text     string
	means    error // fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, a system error, or nil
	after    time.Duration
	expired  bool // credentials that were good once
	noBucket bool // not the object is missing, but the place
}

func (c *cause) Error() string             { return c.text }
func (c *cause) Unwrap() error             { return c.means }
func (c *cause) RetryAfter() time.Duration { return c.after }

// answer is what is known of a server's reply, whichever cloud it is.
type answer struct {
	status int
	code   string // the cloud's own word
	after  time.Duration
}

// classify turns an error of gocloud or of a cloud's library into one of kind fault, without secrets.
func classify(err error) error {
	var known *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known) && known.Kind != fault.Internal:
		return err
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	if a := answerOf(err); a.status != 0 || a.code != "" {
		if kind, means, ok := kindOf(a); ok {
			c := &cause{text: sentence(a), means: means, after: a.after, expired: isExpired(a.code), noBucket: isNoSuchBucket(a.code)}
			return hinted(fault.New(kind, "%w", c), a)
		}
	}
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		return fault.New(fault.NotFound, "%w", &cause{text: "it does not exist", means: fs.ErrNotExist})
	case gcerrors.FailedPrecondition, gcerrors.AlreadyExists:
		return fault.New(fault.Conflict, "%w", &cause{text: "it exists already", means: fs.ErrExist})
	case gcerrors.PermissionDenied:
		return fault.New(fault.Denied, "%w", &cause{text: scrub(root(err).Error()), means: fs.ErrPermission})
	default:
		return local(err)
	}
}

// local classifies what happened before a server answered: the network, the disk, missing credentials.
func local(err error) error {
	var errno syscall.Errno
	var dns *net.DNSError
	var timeout net.Error
	text := scrub(root(err).Error())
	switch {
	case isNoCredentials(err):
		c := &cause{text: "no credentials were found", means: fs.ErrPermission}
		return fault.New(fault.Denied, "%w", c).Hint("%s", "aws configure   # or any other place where your cloud's tools look for credentials")
	case errors.As(err, &dns):
		return fault.New(fault.Unavailable, "%w", &cause{text: "the host " + dns.Name + " is not known"})
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fault.New(fault.Unavailable, "%w", &cause{text: "the server did not answer in time"})
	case errors.As(err, &errno):
		return fault.New(kindOfErrno(errno), "%w", &cause{text: text, means: errno})
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fault.New(fault.Unavailable, "%w", &cause{text: "the connection was cut", means: io.ErrUnexpectedEOF})
	}
	return fault.New(fault.Unavailable, "%w", &cause{text: text})
}

func kindOfErrno(errno syscall.Errno) fault.Kind {
	switch errno {
	case syscall.ENOENT:
		return fault.NotFound
	case syscall.EACCES, syscall.EPERM, syscall.EROFS:
		return fault.Denied
	case syscall.ENAMETOOLONG:
		return fault.Usage
	case syscall.ENOTDIR, syscall.EISDIR, syscall.EXDEV, syscall.ELOOP:
		return fault.Conflict
	default:
		return fault.Unavailable
	}
}

// answerOf finds the reply inside an error of any of the three libraries.
func answerOf(err error) answer {
	var a answer
	var api smithy.APIError
	var s3 *awshttp.ResponseError
	var google *googleapi.Error
	var azure *azcore.ResponseError
	switch {
	case errors.As(err, &google):
		a = answer{status: google.Code, after: retryAfter(google.Header)}
		if len(google.Errors) > 0 {
			a.code = google.Errors[0].Reason
		}
	case errors.As(err, &azure):
		a = answer{status: azure.StatusCode, code: azure.ErrorCode}
		if azure.RawResponse != nil {
			a.after = retryAfter(azure.RawResponse.Header)
		}
	default:
		if errors.As(err, &api) {
			a.code = api.ErrorCode()
		}
		if errors.As(err, &s3) {
			a.status = s3.HTTPStatusCode()
			if s3.Response != nil && s3.Response.Response != nil {
				a.after = retryAfter(s3.Response.Header)
			}
		}
	}
	return a
}

// kindOf says what a reply means. The words are those of S3, Google Cloud Storage and Azure.
func kindOf(a answer) (fault.Kind, error, bool) {
	switch a.code {
	case "NoSuchKey", "NotFound", "BlobNotFound", "NoSuchBucket", "ContainerNotFound", "NoSuchUpload":
		return fault.NotFound, fs.ErrNotExist, true
	case "PreconditionFailed", "BlobAlreadyExists", "ConditionNotMet", "conditionNotMet":
		return fault.Conflict, fs.ErrExist, true
	case "ConditionalRequestConflict", "OperationAborted", "SlowDown", "Throttling", "ThrottlingException", "RequestTimeout",
		"RequestLimitExceeded", "InternalError", "ServerBusy", "OperationTimedOut", "ServiceUnavailable", "rateLimitExceeded",
		"userRateLimitExceeded", "backendError":
		return fault.Unavailable, nil, true
	case "InvalidRange", "requestedRangeNotSatisfiable":
		return fault.Integrity, nil, true
	}
	if isExpired(a.code) || isDenied(a.code) {
		return fault.Denied, fs.ErrPermission, true
	}
	switch {
	case a.status == http.StatusNotFound:
		return fault.NotFound, fs.ErrNotExist, true
	case a.status == http.StatusPreconditionFailed:
		return fault.Conflict, fs.ErrExist, true
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return fault.Denied, fs.ErrPermission, true
	case a.status == http.StatusRequestedRangeNotSatisfiable:
		return fault.Integrity, nil, true
	case a.status == http.StatusRequestTimeout || a.status == http.StatusTooManyRequests || a.status >= 500:
		return fault.Unavailable, nil, true
	case a.status >= 300: // a redirect or a request that the server does not take
		return fault.Denied, nil, true
	}
	return 0, nil, false
}

func isExpired(code string) bool {
	switch code {
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired":
		return true
	}
	return false
}

func isNoSuchBucket(code string) bool { return code == "NoSuchBucket" || code == "ContainerNotFound" }

func isDenied(code string) bool {
	switch code {
	case "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AllAccessDisabled",
		"AccountProblem", "RequestTimeTooSkewed", "AuthenticationFailed", "AuthorizationFailure", "InvalidSecurity",
		"AuthorizationPermissionMismatch", "InsufficientAccountPermissions", "NoAuthenticationInformation", "KMS.DisabledException":
		return true
	}
	return false
}

// hinted adds what to do about the commonest refusals.
func hinted(err *fault.Error, a answer) error {
	switch a.code {
	case "RequestTimeTooSkewed":
		return err.Hint("timedatectl status   # the clock of this machine is wrong")
	case "NoSuchBucket", "ContainerNotFound":
		return err.Hint("mlx remote list   # the bucket of this URL does not exist; mlx does not make buckets")
	}
	return err
}

// sentence says in one line what the server answered: its number, its word, and what that means. What else a server says
// is never repeated, since some quote the request with its signature.
func sentence(a answer) string {
	text := ""
	switch {
	case isExpired(a.code):
		text = "the credentials have expired"
	case a.code == "SignatureDoesNotMatch" || a.code == "AuthenticationFailed":
		text = "the secret key is wrong"
	case a.code == "InvalidAccessKeyId":
		text = "the access key is not known there"
	case a.code == "AccessDenied":
		text = "these credentials have no right to do this"
	case a.code == "RequestTimeTooSkewed":
		text = "the clocks of this machine and the server differ too much"
	}
	parts := []string{"the server answered"}
	if a.status != 0 {
		parts = append(parts, strconv.Itoa(a.status))
	}
	if codes().MatchString(a.code) && a.code != strconv.Itoa(a.status) {
		parts = append(parts, a.code)
	}
	line := strings.Join(parts, " ")
	if text != "" {
		line += ": " + text
	}
	return line
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 3600)) * time.Second
}

func isNoCredentials(err error) bool {
	text := err.Error()
	for _, sign := range []string{"failed to retrieve credentials", "get credentials", "no EC2 IMDS role found", "get identity",
		"could not find default credentials", "DefaultAzureCredential"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// root follows the chain of causes to its end, where the plain fact is.
func root(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

var (
	codes   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z.]{1,64}$`) })
	queries = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\?[^\s"']+`) })
	secrets = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)(signature|credential|token|secret|password|authorization|accountkey|sig|key)["']?\s*[=:]\s*["']?[^\s"',;&]+`)
	})
)

// scrub takes out of a text what could be a secret: queries of URLs, and values beside words that name secrets.
func scrub(text string) string {
	text = queries().ReplaceAllString(text, "?…")
	text = secrets().ReplaceAllString(text, "$1=…")
	if len(text) > longestText {
		text = strings.ToValidUTF8(text[:longestText], "") + "…"
	}
	return text
}
