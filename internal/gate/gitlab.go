package gate

import (
	"encoding/json"

	"mlx/internal/object"
)

// GitLab writes the findings that did not pass as a Code Quality report, which a merge request shows beside the lines of mlx.yaml.
// Its tests view reads the JUnit form.
func (v View) GitLab() ([]byte, error) {
	type lines struct {
		Begin int `json:"begin"`
	}
	type location struct {
		Path  string `json:"path"`
		Lines lines  `json:"lines"`
	}
	type issue struct {
		Description string   `json:"description"`
		CheckName   string   `json:"check_name"`
		Fingerprint string   `json:"fingerprint"`
		Severity    string   `json:"severity"`
		Location    location `json:"location"`
	}
	issues := []issue{}
	for _, g := range v.Report.Gates {
		open, _ := g.Parted()
		for _, f := range open {
			severity := map[string]string{"fail": "critical", "inconclusive": "major"}[f.Word()]
			if severity == "" {
				severity = "minor"
			}
			name := clean(g.Name + ": " + f.Name)
			issues = append(issues, issue{Description: f.Word() + "  " + name + "  " + clean(f.Text()), CheckName: name,
				Fingerprint: object.Sum([]byte(g.Name + "\x00" + f.Name + "\x00" + f.Subject)).Hex(), Severity: severity,
				Location: location{Path: clean(f.At.File), Lines: lines{Begin: max(f.At.Line, 1)}}})
		}
	}
	doc, err := json.MarshalIndent(issues, "", "  ")
	return append(doc, '\n'), err
}
