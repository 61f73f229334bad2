package page

import (
	"strings"
	"testing"
)

// hostile are names that would be more than names if they could.
var hostile = []string{
	"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "' onload='x", "a\x1b[31mb", "\u202egnp.exe", "x\ny", "\xff\xfe",
	"[click](http://example.com)", "@everyone", "| a | b |", "`code`", "&lt;b&gt;", "# heading", "![i](x)",
}

func TestHTMLIsTextOnly(t *testing.T) {
	for _, s := range hostile {
		got := HTML(s)
		if strings.ContainsAny(got, "<>\"'\x1b\n\u202e") {
			t.Errorf("HTML(%q) = %q holds markup or a control character", s, got)
		}
	}
	if got := HTML("a < b & c"); got != "a &lt; b &amp; c" {
		t.Errorf("HTML = %q", got)
	}
}

func TestMarkdownIsTextOnly(t *testing.T) {
	for _, s := range hostile {
		got := Markdown(s)
		for i, r := range got {
			escaped := i > 0 && got[i-1] == '\\'
			if strings.ContainsRune("<>@\n\x1b\u202e", r) || strings.ContainsRune("`[]|#!*", r) && !escaped && r != '#' {
				t.Errorf("Markdown(%q) = %q: %q at %d is not text", s, got, r, i)
			}
		}
	}
	if got := Code("a`b|c\nd"); got != "a'b/c d" {
		t.Errorf("Code = %q", got)
	}
}

func TestHeadHoldsTitleAsText(t *testing.T) {
	got := Head("<b>", ".x{color:red}")
	if !strings.Contains(got, "<title>&lt;b&gt;</title>") || !strings.Contains(got, ".x{color:red}</style>") || strings.Contains(got, "%!") {
		t.Errorf("Head = %s", got)
	}
	for _, foreign := range []string{"http:", "https:", "<script", "<link", "@import", "url("} {
		if strings.Contains(got, foreign) {
			t.Errorf("the page needs %q", foreign)
		}
	}
}
