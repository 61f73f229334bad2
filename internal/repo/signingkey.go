package repo

import (
	"context"
	"errors"
	"os/exec"
	"strings"
)

// SigningKey is the SSH key that git signs with, as its configuration names it: a file, or the text of a public key. Empty: git signs
// with no SSH key.
func (r *Repo) SigningKey(ctx context.Context) (string, error) {
	read := func(key string, typed ...string) (string, error) {
		args := append([]string{"config", "--get"}, typed...)
		cmd := gitCommand(ctx, r.gitFolder(), append(args, key)...)
		out, err := cmd.Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 1 || errors.Is(err, exec.ErrNotFound) {
			return "", nil // it is not set, or there is no git
		}
		if err != nil {
			return "", gitError(ctx, err, "")
		}
		return strings.TrimSuffix(string(out), "\n"), nil
	}
	form, err := read("gpg.format")
	if err != nil || form != "ssh" {
		return "", err
	}
	key, err := read("user.signingkey")
	if err != nil || isPublicKey(key) {
		return key, err
	}
	return read("user.signingkey", "--type=path") // ~ is the user's home folder
}

// isPublicKey reports whether a signing key stands in the configuration itself.
func isPublicKey(key string) bool {
	return strings.HasPrefix(key, "key::") || strings.HasPrefix(key, "ssh-") || strings.HasPrefix(key, "ecdsa-")
}
