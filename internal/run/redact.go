package run

import (
	"regexp"
	"strings"

	"mlx/internal/source"
)

// redactedText stands for a value that looks like a secret.
const redactedText = "(redacted)"

// secretWords are parts of names of what is secret.
func secretWords() []string {
	return []string{"SECRET", "TOKEN", "KEY", "PASSWORD", "PASSWD", "CREDENTIAL"}
}

// secretName says whether a variable of this name is likely to hold a secret.
func secretName(name string) bool {
	name = strings.ReplaceAll(strings.ToUpper(name), "TOKENIZERS_PARALLELISM", "")
	for _, word := range secretWords() {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// tokens find what services give out as keys: their beginnings are made to be found.
func tokens() *regexp.Regexp {
	return regexp.MustCompile(`\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}` +
		`|\bxox[abeprs]-[A-Za-z0-9-]{10,}|\bhf_[A-Za-z0-9]{20,}|\bsk-[A-Za-z0-9_-]{20,}|\bAIza[0-9A-Za-z_-]{35}|\bnpm_[A-Za-z0-9]{30,}` +
		`|\bpypi-[A-Za-z0-9_-]{30,}|\bdckr_pat_[A-Za-z0-9_-]{20,}|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}|AGE-SECRET-KEY-1[0-9A-Z]{20,}` +
		`|-----BEGIN [A-Z ]*PRIVATE KEY`)
}

// addresses find what begins like a URL.
func addresses() *regexp.Regexp { return regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s'"]+`) }

// redactor takes secrets out of text. Its expressions are made once for many texts.
type redactor struct{ tokens, addresses *regexp.Regexp }

func newRedactor() redactor { return redactor{tokens(), addresses()} }

// value returns the value of a variable as it may be recorded.
func (r redactor) value(name, value string) string {
	if value == "" {
		return value
	}
	if secretName(name) || r.tokens.MatchString(value) {
		return redactedText
	}
	return r.urls(value)
}

// urls takes credentials out of the URLs in a text.
func (r redactor) urls(s string) string {
	if !strings.Contains(s, "://") {
		return s
	}
	return r.addresses.ReplaceAllStringFunc(s, CleanURL)
}

// CleanURL returns an address without what gives access: user and password, tokens, signatures. The user of ssh stays: it
// is no secret, and nothing works without it.
func CleanURL(raw string) string {
	if scheme, rest, ok := strings.Cut(raw, "://"); ok && (scheme == "ssh" || strings.HasSuffix(scheme, "+ssh")) {
		user, host, found := strings.Cut(rest, "@")
		if name, _, secret := strings.Cut(user, ":"); found && !strings.Contains(user, "/") && secret {
			return scheme + "://" + name + "@" + host
		}
		return raw
	}
	if !strings.Contains(raw, "://") {
		return raw // a path, or git@host:path
	}
	if cleaned, found := source.Redact(raw); found {
		return cleaned
	}
	return raw
}

// SecretArgument names the first argument of a command that looks like a secret, without its value: "argument 3
// (--password)". Empty when there is none. A variable of the shell is none.
func SecretArgument(argv []string) string {
	r := newRedactor()
	flag := regexp.MustCompile(`(?i)^--?[a-z0-9_.-]*(secret|token|password|passwd|api[-_]?key|access[-_]?key|credential)s?(=(.*))?$`)
	for i, arg := range argv {
		if m := flag.FindStringSubmatch(arg); m != nil && !harmless(arg) {
			value := m[3]
			if m[2] == "" && i+1 < len(argv) && !strings.HasPrefix(argv[i+1], "-") {
				value = argv[i+1]
			}
			if value != "" && !strings.HasPrefix(value, "$") {
				name, _, _ := strings.Cut(arg, "=")
				return name
			}
		}
		if r.tokens.MatchString(arg) {
			return "one that begins with " + r.tokens.FindString(arg)[:4]
		}
		for _, address := range r.addresses.FindAllString(arg, -1) {
			if CleanURL(address) != address && !strings.Contains(address, "$") {
				return "the address of " + CleanURL(address)
			}
		}
	}
	return ""
}

// harmless are flags about tokens of text, which learning programs have many of: --max-tokens 512.
func harmless(flag string) bool {
	name, _, _ := strings.Cut(strings.ToLower(flag), "=")
	return strings.HasSuffix(name, "tokens") || strings.Contains(name, "num-token") || strings.Contains(name, "num_token")
}
