package main

import (
	"context"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/lineage"
)

// signer is who signs: the key of a file, of the ssh-agent, or the one that git signs with.
func (a *app) signer(ctx context.Context, file string) (lineage.Signer, error) {
	if file == "" {
		r, err := a.repo()
		if err != nil {
			return lineage.Signer{}, err
		}
		if file, err = r.SigningKey(ctx); err != nil {
			return lineage.Signer{}, err
		}
	}
	none := lineage.Signer{}
	switch {
	case file == "":
		return none, fault.New(fault.Usage, "cannot sign off: with which key?").Hint("%s --key FILE", commandLine(append([]string{"mlx"}, a.args...))).
			Hint("git config gpg.format ssh && git config user.signingkey ~/.ssh/id_ed25519.pub   # to have it found")
	case isPublicKeyText(file):
		return a.agentSigner(ctx, []byte(strings.TrimPrefix(file, "key::")), "")
	}
	text, err := a.readFile(file, maxKeyFile)
	if err != nil {
		return none, fault.New(fault.KindOf(err), "cannot read the key: %w", err)
	}
	if len(text) > maxKeyFile {
		return none, fault.New(fault.Usage, "cannot read the key: %s is no key, it is too long", file)
	}
	if isPublicKeyText(string(text)) {
		return a.agentSigner(ctx, text, strings.TrimSuffix(file, ".pub"))
	}
	return a.fileSigner(ctx, file, text)
}

// isPublicKeyText reports whether a text is a public key as in a .pub file.
func isPublicKeyText(text string) bool {
	return strings.HasPrefix(text, "key::") || strings.HasPrefix(text, "ssh-") || strings.HasPrefix(text, "ecdsa-")
}

// fileSigner reads a private key, and asks for its passphrase where a person can be asked.
func (a *app) fileSigner(ctx context.Context, file string, text []byte) (lineage.Signer, error) {
	s, err := lineage.ReadSigner(text, nil)
	if fault.KindOf(err) != fault.Denied {
		return s, err
	}
	if !a.streams.Interactive() {
		return s, fault.New(fault.Denied, "cannot sign: %s needs its passphrase, and nobody can be asked here", file).
			Hint("ssh-add %s   # then --key %s.pub", shellWord(file), shellWord(file))
	}
	passphrase, err := a.streams.AskSecret(ctx, "passphrase of "+file)
	if err != nil {
		return s, err
	}
	return lineage.ReadSigner(text, passphrase)
}

// agentSigner finds a key in the ssh-agent, or, where there is no agent that has it, in the file beside the public half.
func (a *app) agentSigner(ctx context.Context, public []byte, beside string) (lineage.Signer, error) {
	s, err := a.askAgent(ctx, public)
	if err == nil || beside == "" {
		return s, err
	}
	text, readErr := a.readFile(beside, maxKeyFile)
	if readErr != nil {
		return s, err
	}
	a.streams.Why("%v: %s is read instead", err, beside)
	return a.fileSigner(ctx, beside, text)
}

func (a *app) askAgent(ctx context.Context, public []byte) (lineage.Signer, error) {
	socket := ""
	for _, v := range a.environ {
		if name, value, _ := strings.Cut(v, "="); name == "SSH_AUTH_SOCK" {
			socket = value
		}
	}
	if socket == "" {
		return lineage.Signer{}, fault.New(fault.Denied, "cannot sign: a public key needs the ssh-agent, and SSH_AUTH_SOCK names none").
			Hint("eval $(ssh-agent) && ssh-add   # or --key with the private half")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return lineage.Signer{}, fault.New(fault.Unavailable, "cannot reach the ssh-agent: %w", err)
	}
	a.opened = append(a.opened, conn) // it signs later
	return lineage.AgentSigner(conn, public)
}

// completeSignOffKinds offers the kinds that the policy asks for, or else the usual ones.
func (a *app) completeSignOffKinds(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	kinds := []string{"ethics", "legal", "security"}
	if cfg, err := a.config(); err == nil {
		for _, needs := range cfg.Policy.All() {
			for _, n := range needs {
				if n.SignOff != "" && !slices.Contains(kinds, n.SignOff) {
					kinds = append(kinds, n.SignOff)
				}
			}
		}
	}
	return kinds, cobra.ShellCompDirectiveNoFileComp
}
