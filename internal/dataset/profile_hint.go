package dataset

import (
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"time"
)

// profileTypeName names a type with what makes it another one.
func profileTypeName(f Field) string {
	if f.Type == Time && f.Naive {
		return "time without a zone"
	}
	return f.typed()
}

// examples are some of the different values of a column of texts, each as likely as any other.
func (v *ProfileColumn) examples() []string {
	if v.texts == nil {
		return nil
	}
	some := v.texts.examples
	if v.texts.counted() {
		for _, it := range v.texts.items() {
			some.add(sketchHashBytes([]byte(it.key)), it.key)
		}
	}
	all := make([]string, 0, len(some.items))
	for _, it := range some.items {
		if it.key != "" {
			all = append(all, it.key)
		}
	}
	return all
}

// Looks is what the values of a column look like: a guess from its name and some of its values, for people.
func (v *ProfileColumn) Looks() []string {
	var all []string
	name := strings.ToLower(v.Name)
	switch {
	case v.Private || v.Count == 0:
		return nil
	case v.Unique && (v.Type == Int || v.Type == Uint || v.Type == Text) && v.Count > 1:
		all = append(all, "key")
	case v.Type <= Uint && (strings.HasSuffix(name, "_id") || name == "id"):
		all = append(all, "id")
	}
	if v.Type == Int && v.DistinctExact && v.Distinct == 2 && v.numbers.low == sketchIntKey(0) && v.numbers.high == sketchIntKey(1) {
		all = append(all, "flag")
	}
	if v.Type != Text {
		return all
	}
	some := v.examples()
	for _, look := range profileLooks() {
		if (look.name == "" || strings.Contains(name, look.name)) && profileMostly(some, look.is) {
			return append(all, look.what)
		}
	}
	return all
}

type profileLook struct {
	what, name string // name: what the column must be called
	is         func(string) bool
}

// profileLooks are made once: a wide table asks for each of its columns.
var profileLooks = sync.OnceValue(func() []profileLook {
	pattern := func(expr string) func(string) bool { return regexp.MustCompile(expr).MatchString }
	date := func(s string) bool {
		for _, layout := range []string{time.DateOnly, "02.01.2006", "01/02/2006", "02/01/2006", "2006/01/02", "20060102", time.DateTime, time.RFC3339} {
			if _, err := time.Parse(layout, s); err == nil {
				return true
			}
		}
		return false
	}
	return []profileLook{
		{"e-mail address", "", pattern(`^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$`)},
		{"uuid", "", pattern(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)},
		{"url", "", pattern(`^[a-z][a-z0-9+]*://\S+$`)},
		{"ip address", "", func(s string) bool { _, err := netip.ParseAddr(s); return err == nil }},
		{"date as text", "", date},
		{"country code", "country", pattern(`^[A-Za-z]{2,3}$`)},
		{"phone number", "phone", pattern(`^\+?[0-9 ()/.-]{5,}$`)},
		{"number as text", "", pattern(`^[-+]?[0-9][0-9.,' ]*%?$`)},
	}
})

// profileMostly says whether at least 9 of 10 are so, and there are any.
func profileMostly(all []string, is func(string) bool) bool {
	n := 0
	for _, s := range all {
		if is(s) {
			n++
		}
	}
	return n > 0 && 10*n >= 9*len(all)
}
