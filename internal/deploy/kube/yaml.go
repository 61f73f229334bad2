package kube

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// documentEnd stands between two documents of a stream.
const documentEnd = "---\n"

// YAML writes objects as a stream of documents that every version of YAML reads. Keys are sorted.
func YAML(all []Object) string {
	var b strings.Builder
	for i, o := range all {
		if i > 0 {
			b.WriteString(documentEnd)
		}
		writeObject(&b, o, "")
	}
	return b.String()
}

func writeObject(b *strings.Builder, o object, indent string) {
	first := []string{"apiVersion", "kind", "metadata", "name"} // as people write them
	keys := slices.SortedFunc(maps.Keys(o), func(x, y string) int {
		at := func(key string) int {
			if i := slices.Index(first, key); i >= 0 {
				return i
			}
			return len(first)
		}
		if d := at(x) - at(y); d != 0 {
			return d
		}
		return strings.Compare(x, y)
	})
	for _, key := range keys {
		b.WriteString(indent + scalar(key) + ":")
		writeValue(b, o[key], indent)
	}
}

func writeValue(b *strings.Builder, v any, indent string) {
	switch v := v.(type) {
	case object:
		if len(v) == 0 {
			b.WriteString(" {}\n")
			return
		}
		b.WriteString("\n")
		writeObject(b, v, indent+"  ")
	case list:
		if len(v) == 0 {
			b.WriteString(" []\n")
			return
		}
		b.WriteString("\n")
		for _, item := range v {
			writeItem(b, item, indent)
		}
	default:
		b.WriteString(" " + scalar(v) + "\n")
	}
}

func writeItem(b *strings.Builder, item any, indent string) {
	o, ok := item.(object)
	if !ok || len(o) == 0 {
		b.WriteString(indent + "-")
		writeValue(b, item, indent+"  ")
		return
	}
	var inner strings.Builder
	writeObject(&inner, o, indent+"  ")
	b.WriteString(indent + "- " + strings.TrimPrefix(inner.String(), indent+"  "))
}

// scalar writes a value on one line. A text that is not plain beyond doubt is in double quotes, as JSON has it.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		if plainText(v) {
			return v
		}
		text, _ := json.Marshal(v) // a text can always be written
		return string(text)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case int:
		return strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	}
	return "null"
}

// plainText says whether a text needs no quotes: it begins with a letter, has only signs that mean nothing in YAML, and is no word of it.
func plainText(s string) bool {
	if s == "" || !letter(s[0]) || len(s) > 200 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !letter(c) && (c < '0' || c > '9') && !strings.ContainsRune("-_./@", rune(c)) {
			return false
		}
	}
	return !slices.Contains([]string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}, strings.ToLower(s))
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
