package gate

import (
	"fmt"
	"strings"
)

// Azure writes the findings that did not pass as logging commands of Azure Pipelines, and what became of the task.
func (v View) Azure() []byte {
	var b strings.Builder
	for _, g := range v.Report.Gates {
		open, _ := g.Parted()
		for _, f := range open {
			level := "error"
			if w := f.Word(); w == "warn" || w == "waived" {
				level = "warning"
			}
			place := ""
			if f.At.File != "" {
				place = fmt.Sprintf(";sourcepath=%s;linenumber=%d", azureProperty(f.At.File), max(f.At.Line, 1))
			}
			fmt.Fprintf(&b, "##vso[task.logissue type=%s%s]%s\n", level, place, azureMessage(fmt.Sprintf("%s %s: %s  %s  %s", v.tool(), g.Name, f.Word(), f.Name, f.Text())))
		}
	}
	result := map[Verdict]string{Pass: "Succeeded", Inconclusive: "SucceededWithIssues"}[v.Verdict]
	if result == "" {
		result = "Failed"
	}
	fmt.Fprintf(&b, "##vso[task.complete result=%s]mlx %s: %s\n", result, v.tool(), v.recorded())
	return []byte(b.String())
}

// azureMessage and azureProperty escape as the logging commands demand.
func azureMessage(s string) string {
	return strings.NewReplacer("%", "%AZP25", "\r", "%0D", "\n", "%0A").Replace(clean(s))
}

func azureProperty(s string) string {
	return strings.NewReplacer(";", "%3B", "]", "%5D").Replace(azureMessage(s))
}
