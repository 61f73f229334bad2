package run

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Account is everything that a document about a run for other tools is written from. Documents are pure functions of
// it: the same account gives the same bytes.
type Account struct {
	View
	Body   Body   // the newest record of the run
	Ledger string // names the clones that share history; may be empty

	// Folders are the files of the outputs that are folders, by the path of the output, in the order of a walk.
	Folders map[string][]File
}

// File is one regular file in an output.
type File struct {
	Path   string        // below the repository root
	Digest object.Digest // SHA-256
}

// Account reads what is known of a run, but for Ledger and Folders.
func (h History) Account(ctx context.Context, id object.Digest) (Account, error) {
	rec, err := h.newest(ctx, id)
	if err != nil {
		return Account{}, err
	}
	v, err := h.Of(rec)
	if err != nil {
		return Account{}, err
	}
	kind := Started
	if Ended.Is(rec) {
		kind = Ended
	}
	body, err := kind.Decode(rec)
	return Account{View: v, Body: body}, err
}

// The words that documents for other tools use for what only mlx knows. They are URIs that nobody has to resolve;
// docs/scripting.md says what each means.
const (
	uriRun      = "mlx:run/"      // and the id of a run
	uriSnapshot = "mlx:snapshot/" // and the root of a version
	uriRecipe   = "mlx:run/v1"    // how mlx run executes a command
	uriHere     = "mlx:local/v1"  // a machine that whoever ran the command controls

	digestSnapshot = "mlxSnapshot" // root of a version in the store of mlx
	digestContent  = "mlxContent"  // SHA-256 of a file, root of a folder
	digestFile     = "sha256"
)

// finished refuses a run that has no end yet: what it made is not known.
func (a Account) finished(form string) error {
	if a.State != Running {
		return nil
	}
	return fault.New(fault.Conflict, "cannot export run %s as %s: it is still running", a.RunID.Short(), form).
		Hint("mlx show %s   # tells when it has ended", a.RunID.Short())
}

// rfc3339 is a time as all these documents write it.
func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// GitURL is the URL of a repository without who is allowed there, and whether it is one that browsers and git both
// understand. The short form of ssh becomes a URL.
func GitURL(remote string) (string, bool) {
	if host, path, ok := strings.Cut(remote, ":"); ok && !strings.Contains(host, "/") && !strings.HasPrefix(path, "//") {
		remote = "ssh://" + host + "/" + strings.TrimPrefix(path, "/")
	}
	u, err := url.Parse(remote)
	if err != nil || u.Host == "" {
		return "", false // a folder of this machine says nothing elsewhere
	}
	user := u.User.Username()
	if u.User = nil; u.Scheme == "ssh" && user != "" {
		u.User = url.User(user) // git@: part of the address, no secret
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String(), true
}

// number is a metric in a document whose numbers are those of JSON: NaN and the infinities are words.
func number(n Number) any { return n.stored() }

// numbersOf are metrics as documents write them.
func numbersOf(metrics map[string]Number) map[string]any {
	all := make(map[string]any, len(metrics))
	for name, n := range metrics {
		all[name] = number(n)
	}
	return all
}

// orNothing is the value of a pointer, or the zero value.
func orNothing[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// pretty is the one way in which a document is written: two spaces, sorted keys, a line end at the end.
func pretty(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, fault.New(fault.Internal, "cannot write the document: %w", err)
	}
	return b.Bytes(), nil
}
