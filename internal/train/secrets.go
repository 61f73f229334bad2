package train

import (
	"bytes"
	"strings"

	"mlx/internal/fault"
)

// maxSecrets bounds the file of secrets.
const maxSecrets = 1 << 20

// FormatSecrets writes NAME=VALUE, each followed by a zero byte, as ParseSecrets reads it.
func FormatSecrets(all []string) []byte {
	var b bytes.Buffer
	for _, v := range all {
		b.WriteString(v)
		b.WriteByte(0)
	}
	return b.Bytes()
}

// ParseSecrets reads the file of secrets. An error names no value.
func ParseSecrets(text []byte) ([]string, error) {
	if len(text) > maxSecrets {
		return nil, fault.New(fault.Integrity, "cannot read the secrets: they have %d bytes", len(text))
	}
	var all []string
	for word := range bytes.SplitSeq(bytes.TrimSuffix(text, []byte{0}), []byte{0}) {
		if len(text) == 0 {
			break
		}
		name, _, ok := strings.Cut(string(word), "=")
		if !ok || !isVariable(name) {
			return nil, fault.New(fault.Integrity, "cannot read the secrets: number %d has no name", len(all)+1)
		}
		all = append(all, string(word))
	}
	return all, nil
}
