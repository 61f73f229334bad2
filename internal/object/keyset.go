package object

import (
	"bytes"
	"unicode/utf8"
)

// keySet finds duplicate keys. Canonical text has its keys in order, where looking at the one before is enough;
// only keys out of order, or with escapes, cost a map.
type keySet struct {
	keys []text          // all keys so far, while they are in order
	seen map[string]bool // nil while the keys are in order
}

func (k *keySet) add(key text) bool {
	if k.seen == nil {
		if n := len(k.keys); n == 0 || before(k.keys[n-1], key) {
			k.keys = append(k.keys, key)
			return true
		}
		k.seen = make(map[string]bool, 2*len(k.keys))
		for _, old := range k.keys {
			k.seen[old.plain()] = true
		}
	}
	plain := key.plain()
	if k.seen[plain] {
		return false
	}
	k.seen[plain] = true
	return true
}

// before reports whether a surely sorts before b.
func before(a, b text) bool { return !a.escaped && !b.escaped && bytes.Compare(a.raw, b.raw) < 0 }

// plain returns the text without escapes.
func (t text) plain() string {
	if !t.escaped {
		return string(t.raw)
	}
	out := make([]byte, 0, len(t.raw))
	for i := 0; i < len(t.raw); {
		if t.raw[i] != '\\' {
			out = append(out, t.raw[i])
			i++
			continue
		}
		r, n, _ := unescape(t.raw[i:]) // the scanner has checked it
		out = utf8.AppendRune(out, r)
		i += n
	}
	return string(out)
}
