package scan

import (
	"bufio"
	"regexp"
	"strings"
)

// yamlKey is a key as MLflow writes it.
var yamlKey = regexp.MustCompile(`^( *)(?:- )?([A-Za-z0-9_.\-]+):(?: +(.*))?$`)

// mlModel judges the file that tells MLflow how to load a model: what it imports, and which folders it puts on Python's path.
// Only the plain form that MLflow writes is read; what YAML could hide otherwise makes the file inconclusive.
func (s *inspection) mlModel(p place, b blob) {
	s.format("mlflow")
	if b.size > maxJSON {
		s.unclear(p, 0, "is too large to be judged")
		return
	}
	lines := bufio.NewScanner(b.reader())
	lines.Buffer(nil, maxJSON)
	quoted := byte(0)
	var at int64
	for lines.Scan() {
		line := lines.Text()
		start := at
		at += int64(len(line)) + 1
		if quoted != 0 {
			if closes(line, quoted) {
				quoted = 0
			}
			continue
		}
		m := yamlKey.FindStringSubmatch(line)
		if m == nil {
			if what := strings.TrimSpace(line); what != "" && what != "---" && !strings.HasPrefix(what, "#") && !plainItem(what) {
				s.unclear(p, start, "is written in a way that MLflow does not write")
			}
			continue
		}
		value := strings.TrimSpace(m[3])
		if value != "" && (value[0] == '\'' || value[0] == '"') && !closes(value[1:], value[0]) {
			quoted = value[0]
		}
		s.mlKey(p, start, m[2], value)
	}
	if lines.Err() != nil {
		s.unclear(p, at, "cannot be read")
	}
}

// closes says whether a quoted text ends on this line.
func closes(rest string, quote byte) bool {
	rest = strings.TrimRight(strings.ReplaceAll(rest, string([]byte{quote, quote}), ""), " ")
	return strings.HasSuffix(rest, string(quote)) && !strings.HasSuffix(rest, `\`+string(quote))
}

// plainItem is a line of a list, or a text that goes on.
func plainItem(line string) bool {
	return !strings.ContainsAny(line[:1], "{[&*!|>%@?") && !strings.Contains(line, ": ")
}

// mlKey judges one key of an MLmodel file.
func (s *inspection) mlKey(p place, at int64, key, value string) {
	bare := strings.Trim(value, `'"`)
	if value != "" && strings.ContainsAny(value[:1], "{[&*!|>") && value != "[]" && value != "{}" {
		s.unclear(p, at, "is written in a way that MLflow does not write")
	}
	switch key {
	case "loader_module":
		if !strings.HasPrefix(bare, "mlflow.") || !moduleName.MatchString(bare) {
			s.found(p, Finding{Severity: Block, Offset: at, Name: bare, What: "would import " + bare + " to load the model", Source: mlflowManual})
		}
	case "code", "code_path", "code_paths", "model_code_path":
		if bare != "" && bare != "null" && bare != "~" {
			s.found(p, Finding{Severity: Block, Offset: at, Name: key, What: "would run the Python files of " + bare + " to load the model", Source: mlflowManual})
		}
	}
}

const mlflowManual = "https://mlflow.org/docs/latest/ml/model/models-from-code/"
