package tracking

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"mlx/internal/fault"
)

// maxBody bounds a request that carries JSON: a full batch with the longest values is about 2 MiB.
const maxBody = 64 << 20

// call is one request, parsed.
type call struct {
	ctx   context.Context //nolint:containedctx // a call lives as long as its request
	req   *http.Request
	query url.Values
	body  []byte
}

// into reads the request into v: the body where there is one, else the query. Fields that v does not know are ignored.
func (c *call) into(v any) error {
	body := c.body
	if len(bytes.TrimSpace(body)) == 0 {
		flat := make(map[string]any, len(c.query))
		for key, values := range c.query {
			if flat[key] = values[0]; len(values) > 1 {
				flat[key] = values
			}
		}
		body, _ = json.Marshal(flat) // strings only
	}
	err := json.Unmarshal(body, v)
	var kind *json.UnmarshalTypeError
	var value *mistypedError
	switch {
	case errors.As(err, &kind):
		return invalid("Invalid value for parameter '%s' supplied:  Hint: Value was of type '%s'.%s", kind.Field, kind.Value, seeDocs)
	case errors.As(err, &value):
		return invalid("Invalid value %s supplied:  Hint: Value was of type '%s'.%s", clip(value.value), kindName(value.value), seeDocs)
	case err != nil:
		return invalid("Cannot read the request: %v", err)
	}
	return nil
}

// path is a part of the path that the route names in braces.
func (c *call) path(name string) string { return c.req.PathValue(name) }

func (s *Server) json(r route) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		c := &call{ctx: req.Context(), req: req, query: req.URL.Query()}
		var err error
		if c.body, err = io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody)); err != nil {
			writeError(w, failf(InvalidParameterValue, "Cannot read the request: %v", err))
			return
		}
		answer, err := r.handle(s, c)
		if err != nil {
			writeError(w, err)
			return
		}
		write(w, http.StatusOK, answer)
	}
}

func write(w http.ResponseWriter, status int, answer any) {
	if t, ok := answer.(text); ok {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, string(t))
		return
	}
	if answer == nil {
		answer = struct{}{}
	}
	body, err := []byte(nil), error(nil)
	if ready, ok := answer.(document); ok {
		body = ready
	} else {
		body, err = json.Marshal(answer)
	}
	if err != nil {
		writeError(w, fault.New(fault.Internal, "cannot write the answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// Code is an error code of MLflow, which clients compare.
type Code string

// The codes that are used.
const (
	InvalidParameterValue Code = "INVALID_PARAMETER_VALUE"
	ResourceDoesNotExist  Code = "RESOURCE_DOES_NOT_EXIST"
	ResourceAlreadyExists Code = "RESOURCE_ALREADY_EXISTS"
	PermissionDenied      Code = "PERMISSION_DENIED"
	Unauthenticated       Code = "UNAUTHENTICATED"
	EndpointNotFound      Code = "ENDPOINT_NOT_FOUND"
	InternalError         Code = "INTERNAL_ERROR"
	BadRequest            Code = "BAD_REQUEST"
)

// status is the HTTP status of a code. Nothing that a client did is 5xx or 429: it would be tried again for minutes.
func (c Code) status() int {
	switch c {
	case ResourceDoesNotExist, EndpointNotFound:
		return http.StatusNotFound
	case PermissionDenied:
		return http.StatusForbidden
	case Unauthenticated:
		return http.StatusUnauthorized
	case InternalError:
		return http.StatusInternalServerError
	case InvalidParameterValue, ResourceAlreadyExists, BadRequest:
	}
	return http.StatusBadRequest
}

// Failure is an error as a client reads it.
type Failure struct {
	Code    Code
	Message string
}

func (f *Failure) Error() string { return f.Message }

func failf(code Code, format string, args ...any) error {
	return &Failure{code, fmt.Sprintf(format, args...)}
}

// failure turns any error into one that a client understands.
func failure(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	switch fault.KindOf(err) {
	case fault.Usage:
		return &Failure{InvalidParameterValue, err.Error()}
	case fault.Conflict:
		return &Failure{BadRequest, err.Error()}
	case fault.NotFound:
		return &Failure{ResourceDoesNotExist, err.Error()}
	case fault.Denied:
		return &Failure{PermissionDenied, err.Error()}
	default:
		return &Failure{InternalError, err.Error()}
	}
}

func writeError(w http.ResponseWriter, err error) {
	f := failure(err)
	write(w, f.Code.status(), map[string]string{"error_code": string(f.Code), "message": f.Message})
}
