package repo

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"

	"mlx/internal/fault"
)

// CheckRecipient says whether text is a public key that a remote can be encrypted for: age1…, or an SSH key as in a .pub
// file. The checksum of an age key is checked here: whoever mistypes one would lock himself out at the first push.
func CheckRecipient(text string) error {
	switch {
	case strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-") || strings.Contains(text, "PRIVATE KEY"):
		return fault.New(fault.Usage, "a recipient is a public key, and this is a secret one").
			Hint("age-keygen -y KEYFILE   # prints the public half")
	case len(text) > 16<<10:
		return fault.New(fault.Usage, "a recipient of %d letters is no public key", len(text))
	case strings.HasPrefix(text, "age1"):
		if err := checkBech32(text); err != nil {
			return fault.New(fault.Usage, "%q is no age public key: %w", brief(text), err)
		}
		return nil
	}
	key, err := sshKey([]byte(text))
	if err != nil || key.kind != "ssh-ed25519" && key.kind != "ssh-rsa" {
		return fault.New(fault.Usage, "%q is no recipient: neither an age key (age1…) nor a public key of type ssh-ed25519 or ssh-rsa", brief(text)).
			Hint("age-keygen -o key.txt   # keep this file outside the repository; its public key is the recipient")
	}
	return nil
}

// brief is the beginning of a long word.
func brief(text string) string {
	if len(text) <= 20 {
		return text
	}
	return strings.ToValidUTF8(text[:15], "") + "…"
}

// checkBech32 checks letters and checksum of BIP 173, which finds every slip of up to four letters in a short key.
func checkBech32(text string) error {
	const letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	split := strings.LastIndexByte(text, '1')
	human, data := text[:split], text[split+1:]
	if len(data) < 58 {
		return errors.New("it is too short")
	}
	sum := uint32(1)
	step := func(v uint32) {
		top := sum >> 25
		sum = (sum&0x1ffffff)<<5 ^ v
		for i, g := range []uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				sum ^= g
			}
		}
	}
	for i := range len(human) {
		step(uint32(human[i]) >> 5)
	}
	step(0)
	for i := range len(human) {
		step(uint32(human[i]) & 31)
	}
	for i := range len(data) {
		v := strings.IndexByte(letters, data[i])
		if v < 0 {
			return errors.New("a letter is wrong")
		}
		step(uint32(v))
	}
	if sum != 1 {
		return errors.New("a letter is wrong")
	}
	return nil
}

// errNoKey says that a text is not what stands in a .pub file.
var errNoKey = errors.New("it is no SSH public key")

// sshPublic is the public key in a .pub file.
type sshPublic struct {
	kind, fingerprint string // the fingerprint as ssh-keygen -l shows it
	comment           string
	line              []byte // type, key and comment: what the fingerprint is of, and nothing else
}

// sshKey reads the first line of a .pub file that is neither empty nor a comment.
func sshKey(text []byte) (sshPublic, error) {
	var fields []string
	for line := range bytes.Lines(text) {
		if fields = strings.Fields(string(line)); len(fields) > 0 && !strings.HasPrefix(fields[0], "#") {
			break
		}
	}
	if len(fields) < 2 {
		return sshPublic{}, errNoKey
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil || len(blob) < 4 {
		return sshPublic{}, errNoKey
	}
	if n := binary.BigEndian.Uint32(blob); uint64(n) > uint64(len(blob)-4) || string(blob[4:4+n]) != fields[0] {
		return sshPublic{}, errNoKey
	}
	sum := sha256.Sum256(blob)
	return sshPublic{kind: fields[0], fingerprint: "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]),
		comment: strings.Join(fields[2:], " "), line: []byte(strings.Join(fields, " ") + "\n")}, nil
}
