package crypt

import (
	"bytes"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"

	"mlx/internal/fault"
)

const (
	maxRecipients = 500
	maxRecipient  = 4096  // bytes; a post-quantum one has 1,959, an RSA key of 16,384 bits 2,700
	maxIdentities = 64    // keys tried
	maxIdentity   = 64000 // bytes of a file of private keys
)

// ParseRecipients checks that each text names one who may open: "age1..." or a public SSH key ("ssh-ed25519 ...",
// "ssh-rsa ..."), as age writes them. The comment of an SSH key may stay.
func ParseRecipients(texts []string) error {
	_, _, err := recipients(texts)
	return err
}

// recipients returns what age makes of the texts, and the texts in their shortest form, each once.
func recipients(texts []string) (all []age.Recipient, plain []string, err error) {
	if len(texts) == 0 || len(texts) > maxRecipients {
		return nil, nil, fault.New(fault.Usage, "cannot encrypt for %d recipients: it must be 1 to %d", len(texts), maxRecipients).
			Hint("age-keygen   # prints a recipient, beginning with age1")
	}
	seen := make(map[string]bool, len(texts))
	quantum := 0
	for _, text := range texts {
		to, short, err := recipient(text)
		if err != nil {
			return nil, nil, err
		}
		if seen[short] {
			continue
		}
		if seen[short] = true; strings.HasPrefix(short, "age1pq1") {
			quantum++
		}
		all, plain = append(all, to), append(plain, short)
	}
	if quantum > 0 && quantum < len(all) {
		return nil, nil, fault.New(fault.Usage, "cannot encrypt for age1pq1 recipients together with others: the others would undo what those protect from")
	}
	return all, plain, nil
}

func recipient(text string) (age.Recipient, string, error) {
	text = strings.TrimSpace(text)
	fields := strings.Fields(text)
	upper := strings.ToUpper(text)
	switch {
	case strings.HasPrefix(upper, "AGE-SECRET-KEY-") || strings.HasPrefix(text, "-----BEGIN"):
		return nil, "", fault.New(fault.Usage, "cannot encrypt for a private key: give the public one").
			Hint("age-keygen -y KEYFILE   # prints the public key")
	case len(text) > maxRecipient:
		return nil, "", fault.New(fault.Usage, "cannot encrypt for a recipient of %d bytes", len(text))
	case strings.HasPrefix(text, "age1pq1"):
		r, err := age.ParseHybridRecipient(text)
		return r, text, refused(text, err)
	case strings.HasPrefix(text, "age1"):
		r, err := age.ParseX25519Recipient(text)
		return r, text, refused(text, err)
	case strings.HasPrefix(text, "ssh-ed25519 ") || strings.HasPrefix(text, "ssh-rsa "):
		r, err := agessh.ParseRecipient(strings.Join(fields[:2], " "))
		return r, strings.Join(fields[:2], " "), refused(text, err)
	case strings.HasPrefix(text, "ecdsa-") || strings.HasPrefix(text, "sk-"):
		return nil, "", fault.New(fault.Usage, "cannot encrypt for %.40q: of SSH keys only ssh-ed25519 and ssh-rsa can decrypt", text)
	}
	return nil, "", fault.New(fault.Usage, "cannot encrypt for a recipient that is neither age1... nor a public SSH key (ssh-ed25519, ssh-rsa)") // may be a secret
}

func refused(text string, err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Usage, "cannot encrypt for %.40q: it is damaged, or of a kind that age does not take", text)
}

// identity is a private key to try, or the reason why one cannot be tried.
type identity struct {
	key  age.Identity // nil where only a name is known
	name string       // public, for messages
}

// identities reads texts of private keys. What cannot be used is kept by name. No error of a parser is passed on: it may
// quote what it read.
func identities(texts [][]byte) []identity {
	var all []identity
	for _, text := range texts {
		text = bytes.TrimSpace(text)
		switch {
		case len(text) > maxIdentity:
			all = append(all, identity{name: "a file that is too long for keys"})
		case bytes.HasPrefix(text, []byte("-----BEGIN AGE ENCRYPTED")), bytes.HasPrefix(text, []byte("age-encryption.org/")):
			all = append(all, identity{name: "an age key file with a passphrase (not usable: decrypt it first)"})
		case bytes.HasPrefix(text, []byte("-----BEGIN")):
			all = append(all, sshIdentity(text))
		default:
			all = append(all, ageIdentities(text)...)
		}
		if len(all) > maxIdentities {
			return all[:maxIdentities]
		}
	}
	return all
}

func sshIdentity(text []byte) identity {
	key, err := agessh.ParseIdentity(text)
	switch {
	case err == nil:
		return identity{key: key, name: sshName(key)}
	case strings.Contains(err.Error(), "passphrase"):
		return identity{name: "an SSH key with a passphrase (not usable: give one without, or an age key)"}
	}
	return identity{name: "an SSH key that cannot be read"}
}

func sshName(key age.Identity) string {
	if _, ok := key.(*agessh.RSAIdentity); ok {
		return "an RSA key of SSH"
	}
	return "an ed25519 key of SSH"
}

func ageIdentities(text []byte) []identity {
	var all []identity
	for line := range bytes.Lines(text) {
		word := string(bytes.TrimSpace(line))
		if word == "" || word[0] == '#' {
			continue
		}
		if key, err := age.ParseX25519Identity(word); err == nil {
			all = append(all, identity{key, key.Recipient().String()})
		} else if key, err := age.ParseHybridIdentity(word); err == nil {
			all = append(all, identity{key, key.Recipient().String()})
		} else {
			all = append(all, identity{name: "a line that is no private key of age"})
		}
	}
	return all
}
