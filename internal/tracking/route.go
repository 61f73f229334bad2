package tracking

import (
	"net/http"
	"strings"
)

// route is one call of the dialect. Handle gets the parsed request and returns what is written as JSON; nil is {}.
type route struct {
	method string
	path   string // below /api/2.0/mlflow/ unless it begins with a slash
	handle func(s *Server, c *call) (any, error)
}

// prefixes are where the same routes are served: the second is that of pages in a browser.
func prefixes() []string { return []string{"/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/"} }

// table is every call that is served with JSON. Calls that carry bytes are in raw.
func table() []route {
	var all []route
	for _, part := range [][]route{serverRoutes(), experimentRoutes(), runRoutes(), artifactRoutes(), modelRoutes(), registeredRoutes(), versionRoutes(),
		traceRoutes(), datasetRoutes()} {
		all = append(all, part...)
	}
	return all
}

// routes builds the one mux. What it does not know is answered as MLflow does, so that clients use their fall-backs.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range table() {
		paths := []string{r.path}
		if !strings.HasPrefix(r.path, "/") {
			paths = nil
			for _, p := range prefixes() {
				paths = append(paths, p+r.path)
			}
		}
		for _, p := range paths {
			mux.HandleFunc(r.method+" "+p, s.json(r))
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, failf(EndpointNotFound, "No route for %s %s", r.Method, r.URL.Path))
	})
	return mux
}

func serverRoutes() []route {
	return []route{
		{"GET", "/api/3.0/mlflow/server-info", func(*Server, *call) (any, error) {
			return map[string]any{
				"store_type": "mlx", "workspaces_enabled": false, "trace_archival_enabled": false,
				"multipart_uploads_enabled": false, "multipart_downloads_enabled": false,
			}, nil
		}},
		{"GET", "/version", func(*Server, *call) (any, error) { return text(dialect), nil }},
		{"GET", "/health", func(*Server, *call) (any, error) { return text("OK"), nil }},
	}
}

// dialect is the version of MLflow whose server a client believes to speak with.
const dialect = "3.17.2"

// text is an answer that is no JSON.
type text string

// document is an answer that is JSON already.
type document []byte
