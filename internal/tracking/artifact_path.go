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

// parsePlace reads what follows mlflow-artifacts:/ in a URI: EXPERIMENT/RUN/artifacts/…, EXPERIMENT/models/m-…/artifacts/… and the
// like. An experiment may have its artifacts in a folder of its own. ok is false where nobody's artifacts are.
func parsePlace(p string) (at place, ok bool) {
	parts := strings.Split(strings.Trim(p, "/"), "/")
	for i := 1; i+1 < len(parts); i++ {
		if parts[i+1] != "artifacts" {
			continue
		}
		at, ok := ownerAt(parts[i-1], parts[i])
		if ok {
			at.rel = path.Clean("./" + strings.Join(parts[i+2:], "/"))
			return at, true
		}
	}
	return place{}, false
}

func ownerAt(folder, id string) (place, bool) {
	switch {
	case folder == "versions":
		_, err := parseHex(id)
		return place{of: ofVersion, id: id}, err == nil
	case folder == "models" && modelID.MatchString(id):
		return place{of: ofModel, id: id}, true
	case folder == "traces" && traceID.MatchString(id):
		return place{of: ofTrace, id: id}, true
	}
	return place{of: ofRun, id: id}, runID.MatchString(id)
}

// maxPath bounds the path of an artifact, in bytes.
const maxPath = 4096

// maxDepth bounds how many folders it names: each is made durable by itself.
const maxDepth = 100

// safePath decodes the path of an artifact, and refuses whatever could name something outside its folder, here or on a machine that
// fetches it, be it encoded once more for somebody who decodes again.
func safePath(escaped string) (string, error) {
	decoded, err := url.PathUnescape(escaped)
	if err != nil {
		return "", invalidPath()
	}
	return decoded, checkPath(decoded)
}

// checkPath is that of a path that is decoded already.
func checkPath(p string) error {
	if len(p) > maxPath || !throughout(p, harmless) {
		return invalidPath()
	}
	return nil
}

// throughout says whether a text is fine, and whatever becomes of it when somebody decodes it, again and again.
func throughout(text string, fine func(string) bool) bool {
	for fine(text) {
		again, err := url.PathUnescape(text)
		if err != nil || again == text {
			return true
		}
		text = again
	}
	return false
}

func invalidPath() error { return invalid("Invalid path") }

func harmless(p string) bool {
	if !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl) || strings.ContainsAny(p, `\#`) || strings.HasPrefix(p, "/") {
		return false
	}
	parts := strings.Split(strings.TrimSuffix(p, "/"), "/")
	if len(parts) > maxDepth {
		return false
	}
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
