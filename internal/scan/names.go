package scan

import (
	_ "embed" // the list of documented attacks is data
	"strings"
)

// sourcesText lists where a name was documented as dangerous, for the person who reads a finding: "prefix source".
//
//go:embed sources.txt
var sourcesText string

// pickleManual is what to read of a name that nobody wrote about yet.
const pickleManual = "https://docs.python.org/3/library/pickle.html"

// sourceOf returns where the danger of a name is documented: the longest prefix of words counts.
func sourceOf(name string) string {
	best, found := "", ""
	for _, line := range strings.Split(sourcesText, "\n") {
		prefix, source, ok := strings.Cut(line, " ")
		if !ok || prefix == "#" || len(prefix) <= len(best) {
			continue
		}
		if name == prefix || strings.HasPrefix(name, prefix+".") {
			best, found = prefix, source
		}
	}
	if found == "" {
		return pickleManual
	}
	return found
}
