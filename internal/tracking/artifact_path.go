package tracking

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"mlx/internal/object"
)

// owner is the kind of thing that artifacts belong to.
type owner string

const (
	ofRun     owner = "run"
	ofModel   owner = "model"   // a logged model
	ofVersion owner = "version" // of a registered model
	ofTrace   owner = "trace"
)

// scheme begins the URIs that make a client send and fetch bytes through this endpoint.
const scheme = "mlflow-artifacts:"

// place says where an artifact lies.
type place struct {
	of  owner
	id  string
	rel string // below the folder of its owner, with slashes; "." is the folder
}

var (
	runID   = regexp.MustCompile(`^[0-9a-f]{32}$`)
	modelID = regexp.MustCompile(`^m-[0-9a-f]{32}$`)
	traceID = regexp.MustCompile(`^tr-[0-9a-f]{32}$`)
)

// versionURI is where the bytes of a registered version are fetched from: its record is all that has to be known.
func versionURI(record object.Digest) string {
	return scheme + "/versions/" + record.Hex() + "/artifacts"
}

func modelURI(experiment, id string) string {
	return scheme + "/" + experiment + "/models/" + id + "/artifacts"
}

// parsePlace reads what follows mlflow-artifacts:/ in a URI. ok is false where nobody's artifacts are.
func parsePlace(p string) (at place, ok bool) {
	parts := strings.Split(strings.Trim(p, "/"), "/")
	rest := -1
	switch {
	case len(parts) >= 3 && parts[0] == "versions" && parts[2] == "artifacts":
		if _, err := object.ParseDigest("sha256:" + parts[1]); err == nil {
			at, rest = place{of: ofVersion, id: parts[1]}, 3
		}
	case len(parts) >= 4 && parts[1] == "models" && parts[3] == "artifacts" && modelID.MatchString(parts[2]):
		at, rest = place{of: ofModel, id: parts[2]}, 4
	case len(parts) >= 4 && parts[1] == "traces" && parts[3] == "artifacts" && traceID.MatchString(parts[2]):
		at, rest = place{of: ofTrace, id: parts[2]}, 4
	case len(parts) >= 3 && parts[2] == "artifacts" && runID.MatchString(parts[1]):
		at, rest = place{of: ofRun, id: parts[1]}, 3
	}
	if rest < 0 {
		return place{}, false
	}
	at.rel = path.Clean("./" + strings.Join(parts[rest:], "/"))
	return at, true
}

// maxPath bounds the path of an artifact, in bytes.
const maxPath = 4096

// safePath decodes the path of an artifact and refuses whatever could name something outside its folder, here or on a machine that
// fetches it, be it encoded once more for somebody who decodes again.
func safePath(escaped string) (string, error) {
	decoded, err := url.PathUnescape(escaped)
	if err != nil || len(decoded) > maxPath {
		return "", invalidPath()
	}
	for seen := decoded; ; {
		if !harmless(seen) {
			return "", invalidPath()
		}
		again, err := url.PathUnescape(seen)
		if err != nil || again == seen {
			return decoded, nil
		}
		seen = again
	}
}

func invalidPath() error { return failf(InvalidParameterValue, "Invalid path") }

func harmless(p string) bool {
	if !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl) || strings.ContainsAny(p, `\#`) || strings.HasPrefix(p, "/") {
		return false
	}
	parts := strings.Split(strings.TrimSuffix(p, "/"), "/")
	for i, part := range parts {
		if len(part) == 2 && part[1] == ':' || strings.EqualFold(part, "file:") { // a drive, or a URI
			return false
		}
		if part == ".." || len(part) > 255 || part == "" && len(parts) > 1 || part == "." && i > 0 || device(part) {
			return false
		}
	}
	return true
}

// device reports whether a name is that of a device on Windows, where somebody may fetch the file to.
func device(name string) bool {
	names := []string{"con", "prn", "aux", "nul"}
	lower := strings.ToLower(strings.TrimRight(name, " ."))
	if slices.Contains(names, lower) {
		return true
	}
	port, ok := strings.CutPrefix(lower, "com")
	if !ok {
		port, ok = strings.CutPrefix(lower, "lpt")
	}
	return ok && len(port) == 1 && port[0] >= '1' && port[0] <= '9'
}
