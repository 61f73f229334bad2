package gate

import (
	"fmt"
	"strings"
)

// GitHub writes the findings that did not pass as annotations of a workflow, each at the line of its check.
func (v View) GitHub() []byte {
	var b strings.Builder
	for _, g := range v.Report.Gates {
		open, _ := g.Parted()
		for _, f := range open {
			level := "error"
			if w := f.Word(); w == "warn" || w == "waived" || f.Severity == SeverityWarn {
				level = "warning"
			}
			place := ""
			if f.At.File != "" { // two tables that somebody typed stand nowhere
				place = fmt.Sprintf("file=%s,line=%d,", property(f.At.File), f.At.Line)
			}
			fmt.Fprintf(&b, "::%s %stitle=%s::%s\n", level, place, property(v.tool()+" "+g.Name+": "+f.Word()), message(f.Name+"  "+f.Text()))
		}
	}
	fmt.Fprintf(&b, "::notice title=%s::%s\n", property("mlx "+v.tool()), message(v.recorded()))
	return []byte(b.String())
}

// message and property escape as the workflow commands of GitHub demand.
func message(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(clean(s))
}

func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(message(s))
}
