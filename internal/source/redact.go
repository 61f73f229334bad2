package source

import (
	"net/url"
	"regexp"
	"strings"
)

// secretKeys are the parameters of a URL that carry a credential, in lower case, as people's services call them.
func secretKey(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "signature", "sig", "awsaccesskeyid", "expires", "googleaccessid", "key-pair-id", "policy", "se", "sp", "sv", "sr", "st", "spr",
		"skoid", "sktid", "skt", "ske", "sks", "skv", "key", "code", "jwt", "auth", "pass", "passwd", "pwd", "sas", "hmac", "sslkey", "sslpassword":
		return true
	}
	if strings.HasPrefix(name, "x-amz-") || strings.HasPrefix(name, "x-goog-") || strings.HasPrefix(name, "x-oss-") {
		return true
	}
	for _, part := range []string{"token", "secret", "password", "apikey", "api_key", "api-key", "credential", "accesskey", "access_key", "authorization", "session"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// Redact returns a URL without what gives access: user and password, signatures, tokens, and the fragment. found says
// whether there was any. What cannot be read as a URL loses everything that could be one.
func Redact(raw string) (clean string, found bool) {
	u, err := url.Parse(raw)
	if err != nil {
		head, _, cut := strings.Cut(raw, "?")
		head, _, hash := strings.Cut(head, "#")
		scheme, rest, _ := strings.Cut(head, "//")
		if at := strings.LastIndex(rest, "@"); at >= 0 {
			return scheme + "//" + rest[at+1:], true
		}
		return head, cut || hash
	}
	if u.User != nil {
		found, u.User = true, nil
	}
	u.Fragment, u.RawFragment = "", ""
	var kept []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil || secretKey(plain) {
			found = true
			continue
		}
		if pair != "" {
			kept = append(kept, pair)
		}
	}
	u.RawQuery, u.ForceQuery = strings.Join(kept, "&"), false
	return u.String(), found
}

// redactDatabase is Redact for a database: its user is a name that the next update needs, its password is not kept.
func redactDatabase(raw string) (clean string, found bool) {
	u, err := url.Parse(raw)
	if err != nil {
		return Redact(raw)
	}
	user := ""
	if u.User != nil {
		user = u.User.Username()
		_, found = u.User.Password()
	}
	text, other := Redact(raw)
	if user == "" {
		return text, found || other && u.User == nil
	}
	u, err = url.Parse(text)
	if err != nil {
		return text, true
	}
	before := u.Query().Encode()
	u.User = url.User(user)
	original, _ := url.Parse(raw)
	return u.String(), found || original.Query().Encode() != before
}

// secretWords find a password that a command line holds in plain text; $NAME is none.
func secretWords() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'"]*:[^\s/@'"$]+@`),
		regexp.MustCompile(`(?i)(password|passwd|pwd|secret|token|api[_-]?key)["']?\s*[=:]\s*["']?[^\s"'$={]+`),
		regexp.MustCompile(`(?i)--?(password|passwd|secret|token|api[_-]?key)\s+["']?[^\s"'$-]+`),
		regexp.MustCompile(`\bAKIA[0-9A-Z]{16}\b`),
	}
}

// holdsSecret reports whether a command line seems to hold a password.
func holdsSecret(command string) bool {
	for _, re := range secretWords() {
		if re.MatchString(command) {
			return true
		}
	}
	return false
}
