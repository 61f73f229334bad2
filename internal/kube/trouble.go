package kube

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"mlx/internal/fault"
)

// Side says who is to do something about a refusal.
type Side string

// The sides.
const (
	SideNetwork   Side = "network"     // nobody answered
	SideServer    Side = "API server"  // it has trouble of its own
	SideLogin     Side = "credentials" // it does not know you
	SideRights    Side = "rights"      // it knows you, and you may not
	SideAdmission Side = "admission"   // a rule of the cluster forbids this object
	SideQuota     Side = "quota"       // the namespace has no more of it
	SideObject    Side = "object"      // it is not valid
	SideState     Side = "state"       // it is there already, or is not there
)

// Refusal is an answer that is no yes.
type Refusal struct {
	Side    Side
	Code    int    // of HTTP; 0 where nobody answered
	Reason  string // AlreadyExists, Forbidden
	Message string // the server's own words

	Conflicts []Conflict // of an Apply
}

// Error is the server's words.
func (r *Refusal) Error() string { return r.Message }

// SideOf says on which side the trouble is; empty where err is no refusal of a server.
func SideOf(err error) Side {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Side
	}
	return ""
}

// Exists says that an object of the name is there already.
func Exists(err error) bool { return reasonOf(err) == "AlreadyExists" }

// Missing says that there is no such object.
func Missing(err error) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && r.Code == http.StatusNotFound
}

func reasonOf(err error) string {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Reason
	}
	return ""
}

// lost is the error of a request that got no answer, or half of one.
func (c *Client) lost(what string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.KindOf(err), "cannot %s: %w", what, err)
	}
	text := err.Error()
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)), errors.As(err, new(x509.HostnameError)), errors.As(err, new(x509.CertificateInvalidError)):
		r := &Refusal{Side: SideLogin, Message: "its certificate is not one that your kubeconfig trusts: " + cause(text)}
		return fault.New(fault.Denied, "cannot %s: %s is not trusted: %w", what, c.base.Host, r).
			Hint("kubectl%s get --raw /version   # shows the same trouble?", c.flag())
	case strings.Contains(text, "getting credentials"):
		r := &Refusal{Side: SideLogin, Message: cause(text)}
		return fault.New(fault.Denied, "cannot %s: the program that your kubeconfig names for credentials gives none: %w", what, r).
			Hint("kubectl%s auth whoami   # does it ask you to log in?", c.flag())
	}
	r := &Refusal{Side: SideNetwork, Message: cause(text)}
	return fault.New(fault.Unavailable, "cannot %s: no answer from %s, the API server: %w", what, c.base.Host, r).
		Hint("kubectl%s get --raw /readyz   # is it up, and can this machine reach it?", c.flag())
}

// cause leaves out what net/http puts before an error: Get "https://…": .
func cause(text string) string {
	if _, rest, ok := strings.Cut(text, `": `); ok {
		return rest
	}
	return text
}

// flag is the option that makes kubectl ask the same cluster.
func (c *Client) flag() string {
	if c.context == "" {
		return ""
	}
	return " --context " + c.context
}

// refused is the error of an answer that is no yes.
func (c *Client) refused(what string, code int, body []byte) error {
	var s struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
		Code    int    `json:"code"`
	}
	if json.Unmarshal(body, &s) != nil || s.Message == "" {
		s.Message = strings.TrimSpace(string(body[:min(len(body), 300)]))
	}
	if s.Message == "" {
		s.Message = http.StatusText(code)
	}
	if s.Code != 0 {
		code = s.Code
	}
	r := &Refusal{Code: code, Reason: s.Reason, Message: s.Message, Conflicts: conflicts(body)}
	var kind fault.Kind
	r.Side, kind = side(code, s.Message)
	return c.advise(fault.New(kind, "cannot %s in namespace %s: %s: %w", what, c.namespace, sayings()[r.Side], r), r.Side)
}

// side tells refusals apart. Admission, quota and rights all answer 403; only the words differ.
func side(code int, message string) (Side, fault.Kind) {
	switch code {
	case http.StatusUnauthorized:
		return SideLogin, fault.Denied
	case http.StatusForbidden:
		switch {
		case strings.Contains(message, "exceeded quota"):
			return SideQuota, fault.Unavailable
		case strings.Contains(message, "RBAC permissions not currently held"): // nobody gives rights that he has not
			return SideRights, fault.Denied
		case strings.Contains(message, "violates PodSecurity"), strings.Contains(message, "admission webhook"),
			strings.Contains(message, "ValidatingAdmissionPolicy"), !strings.Contains(message, "cannot "):
			return SideAdmission, fault.Denied
		}
		return SideRights, fault.Denied
	case http.StatusNotFound:
		return SideState, fault.NotFound
	case http.StatusConflict:
		return SideState, fault.Conflict
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge:
		if strings.Contains(message, "admission webhook") {
			return SideAdmission, fault.Denied
		}
		return SideObject, fault.Usage
	}
	return SideServer, fault.Unavailable
}

func sayings() map[Side]string {
	return map[Side]string{
		SideServer:    "the API server cannot do it now",
		SideLogin:     "the API server does not know you",
		SideRights:    "your rights do not allow it",
		SideAdmission: "a rule of the cluster forbids it",
		SideQuota:     "the quota of the namespace is used up",
		SideObject:    "the API server finds the object not valid",
		SideState:     "the API server says",
	}
}

func (c *Client) advise(e *fault.Error, s Side) error {
	switch s {
	case SideLogin:
		return e.Hint("kubectl%s auth whoami   # who does the cluster say you are?", c.flag())
	case SideRights:
		return e.Hint("kubectl%s -n %s auth can-i --list   # what you may do; ask who runs the cluster for the rest", c.flag(), c.namespace)
	case SideQuota:
		return e.Hint("kubectl%s -n %s describe quota   # who uses it?", c.flag(), c.namespace)
	case SideObject:
		return e.Hint("mlx run --on NAME --dry-run -- …   # shows the object; look at pod: of the backend in mlx.yaml")
	case SideNetwork, SideServer, SideAdmission, SideState:
	}
	return e
}
