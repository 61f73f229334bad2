package filedriver

import (
	"path/filepath"
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// fileOf returns the path, relative to the root, of the file that holds a key. No key leads out of the root, and no part
// of one begins with a dot: those names are the driver's own.
func fileOf(key string) (string, error) {
	if key == "" || !utf8.ValidString(key) {
		return "", errKey
	}
	parts := strings.Split(key, "/")
	for i, part := range parts {
		parts[i] = escape(part)
	}
	return filepath.FromSlash(strings.Join(parts, "/")), nil
}

// escape makes a file name of one part of a key. Parts of hex digits, words and dashes stay as they are.
func escape(part string) string {
	if part == "" {
		return "%"
	}
	var b strings.Builder
	for i := range len(part) {
		c := part[i]
		first, last := i == 0, i == len(part)-1
		if c < 0x20 || c == 0x7f || strings.IndexByte(`%\:*?"<>|`, c) >= 0 || c == '.' && (first || last) || c == ' ' && last {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// unescape returns the part of a key that a file name stands for; false for a name that escape never makes.
func unescape(name string) (string, bool) {
	if name == "%" {
		return "", true
	}
	if !strings.Contains(name, "%") {
		return name, utf8.ValidString(name) && escape(name) == name
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '%' {
			b.WriteByte(name[i])
			continue
		}
		if i+2 >= len(name) {
			return "", false
		}
		high, low := strings.IndexByte(hexDigits, name[i+1]), strings.IndexByte(hexDigits, name[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	part := b.String()
	return part, utf8.ValidString(part) && escape(part) == name
}

// sidecarOf returns where the attributes of a file lie, when it has any.
func sidecarOf(file string) string {
	return filepath.Join(filepath.Dir(file), ".attrs-"+filepath.Base(file))
}
