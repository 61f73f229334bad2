package tracking

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// maxMLmodel bounds the file that describes a model: an input example may make it long.
const maxMLmodel = 4 << 20

// mlmodel is what the file MLmodel says of a model. It is YAML as MLflow writes it; what is not understood is left out, because
// nothing but what people are shown depends on it.
type mlmodel struct {
	Format    string          // flavor: sklearn, xgboost, …; python_function where it has no other
	UUID      string          // model_uuid, or model_id
	Run       string          // run_id
	Signature json.RawMessage // {"inputs": […], "outputs": […], "params": […]}
}

// ModelInputs are the columns that a file MLmodel says its model reads; nil when it names none.
func ModelInputs(mlmodelFile []byte) []string {
	var signature struct {
		Inputs []struct {
			Name string `json:"name"`
		} `json:"inputs"`
	}
	if json.Unmarshal(parseMLmodel(mlmodelFile).Signature, &signature) != nil {
		return nil
	}
	var names []string
	for _, in := range signature.Inputs {
		if in.Name != "" {
			names = append(names, in.Name)
		}
	}
	return names
}

var yamlKey = regexp.MustCompile(`^( *)("[^"\\]*"|'[^']*'|[A-Za-z0-9_][A-Za-z0-9_. -]*):(?: +(.*))?$`)

// parseMLmodel reads the keys at the top, and those right below flavors and signature.
func parseMLmodel(b []byte) mlmodel {
	var m mlmodel
	var flavors []string
	signature := map[string]json.RawMessage{}
	lines := strings.Split(strings.ReplaceAll(string(b[:min(len(b), maxMLmodel)]), "\r\n", "\n"), "\n")
	section, indent := "", 0
	for i := 0; i < len(lines); i++ {
		key := yamlKey.FindStringSubmatch(lines[i])
		if key == nil {
			continue
		}
		value, last := yamlScalar(lines, i, key[3])
		i = last
		name := strings.Trim(key[2], `"'`)
		if depth := len(key[1]); depth == 0 {
			section, indent = name, 0
			switch name {
			case "model_uuid":
				m.UUID = value
			case "run_id":
				m.Run = value
			}
			continue
		} else if indent == 0 {
			indent = depth
		}
		if len(key[1]) != indent {
			continue
		}
		switch section {
		case "flavors":
			flavors = append(flavors, name)
		case "signature":
			if value != "null" && json.Valid([]byte(value)) {
				signature[name] = json.RawMessage(value)
			}
		}
	}
	m.Format = flavor(flavors)
	if len(signature) > 0 {
		m.Signature, _ = json.Marshal(signature) // valid JSON by parts
	}
	return m
}

// flavor chooses the one that says most.
func flavor(all []string) string {
	slices.Sort(all)
	for _, f := range all {
		if f != "python_function" {
			return f
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return ""
}

// yamlScalar reads a value that may be quoted and go on over lines. It returns the last line that it took.
func yamlScalar(lines []string, at int, first string) (string, int) {
	quote := ""
	if first != "" && strings.ContainsAny(first[:1], `'"`) {
		quote = first[:1]
	}
	if quote == "" {
		return strings.TrimSpace(first), at
	}
	var text strings.Builder
	text.WriteString(first[1:])
	for !closed(text.String(), quote) {
		if at++; at >= len(lines) {
			return "", at
		}
		next := strings.TrimSpace(lines[at])
		switch so := text.String(); {
		case next == "":
			text.WriteString("\n")
		case quote == `"` && strings.HasSuffix(so, `\`):
			text.Reset()
			text.WriteString(strings.TrimSuffix(so, `\`) + next)
		case strings.HasSuffix(so, "\n"):
			text.WriteString(next)
		default:
			text.WriteString(" " + next)
		}
	}
	body := strings.TrimSuffix(strings.TrimRight(text.String(), " "), quote)
	if quote == "'" {
		return strings.ReplaceAll(body, "''", "'"), at
	}
	var plain string
	if json.Unmarshal([]byte(`"`+body+`"`), &plain) != nil {
		return "", at
	}
	return plain, at
}

// closed says whether a quoted text has ended.
func closed(text, quote string) bool {
	text = strings.TrimRight(text, " ")
	if quote == "'" {
		ends := len(text) - len(strings.TrimRight(text, "'"))
		return ends%2 == 1
	}
	body, ok := strings.CutSuffix(text, `"`)
	slashes := len(body) - len(strings.TrimRight(body, `\`))
	return ok && slashes%2 == 0
}
