package gate

import (
	"encoding/xml"
	"strings"
	"unicode"
)

// JUnit writes a report for whatever reads test results. What cannot be told is an error there, never a skipped test:
// skipped counts as green.
func (v View) JUnit() ([]byte, error) {
	type outcome struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testCase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		File    string   `xml:"file,attr,omitempty"`
		Line    int      `xml:"line,attr,omitempty"`
		Failure *outcome `xml:"failure"`
		Error   *outcome `xml:"error"`
		Out     string   `xml:"system-out,omitempty"`
	}
	type suite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Time     string     `xml:"timestamp,attr"`
		Cases    []testCase `xml:"testcase"`
	}
	type document struct {
		XMLName xml.Name `xml:"testsuites"`
		Name    string   `xml:"name,attr"`
		Suites  []suite  `xml:"testsuite"`
	}
	doc := document{Name: "mlx " + v.tool()}
	if !v.Record.IsZero() {
		doc.Name += " " + v.Record.Short()
	}
	for _, g := range v.Report.Gates {
		s := suite{Name: clean(g.Name), Tests: len(g.Checks), Time: v.At.UTC().Format("2006-01-02T15:04:05Z")}
		for _, f := range g.Checks {
			c := testCase{Class: "mlx." + clean(g.Name), Name: clean(f.Name), File: clean(f.At.File), Line: f.At.Line}
			said := &outcome{Message: clean(f.Text()), Text: clean(g.For.words())}
			switch f.Word() {
			case "pass":
			case "fail":
				c.Failure = said
				s.Failures++
			case "warn":
				c.Out = "warning: " + said.Message
			case "waived":
				c.Out = "waived: " + said.Message + "; " + clean(f.SaidWaiver())
			default:
				c.Error = said
				s.Errors++
			}
			s.Cases = append(s.Cases, c)
		}
		doc.Suites = append(doc.Suites, s)
	}
	body, err := xml.MarshalIndent(doc, "", "  ")
	return append([]byte(xml.Header), append(body, '\n')...), err
}

// clean drops control characters, which XML cannot hold and a log must not obey, and those that turn the direction of writing.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' && r != '\n' || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
