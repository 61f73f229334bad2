package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/page"
	"mlx/internal/repo"
)

// issueDeed opens an issue on GitHub, or on another server with its REST interface.
type issueDeed struct{ plain }

func (d *issueDeed) ready(ctx context.Context) outcome {
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,99}/[A-Za-z0-9._-]{1,100}$`).MatchString(d.action.Of) {
		return failedBefore(fault.New(fault.Usage, "%q is no repository such as OWNER/REPO", d.action.Of))
	}
	if stopped := d.plain.ready(ctx); stopped.state != "" {
		return stopped
	}
	if os.Getenv("GITHUB_TOKEN") == "" {
		return failedBefore(fault.New(fault.Denied, "GITHUB_TOKEN is not set").Hint("export GITHUB_TOKEN=TOKEN   # one that may write issues of %s", d.action.Of))
	}
	return outcome{}
}

// do opens the issue, unless one with the marker of the finding is there: an mlx that was killed, or one on another machine, may have been
// faster.
func (d *issueDeed) do(ctx context.Context, key object.Digest) outcome {
	there, err := d.find(ctx, key)
	if err != nil {
		return failedBefore(err)
	}
	if there == "" {
		if there, err = d.open(ctx, key); err != nil {
			return failedBefore(err)
		}
	}
	return outcome{state: drift.ActionSucceeded, url: there}
}

// marker is what tells the issue of a finding from every other.
func issueMarker(key object.Digest) string { return "mlx-drift-" + key.Hex()[:32] }

// githubIssue is what the interface says of an issue.
type githubIssue struct {
	URL  string `json:"html_url"`
	Body string `json:"body"`
}

// find looks for the issue by its marker: with the search, which knows all of them but learns of new ones late, then among the newest.
func (d *issueDeed) find(ctx context.Context, key object.Digest) (string, error) {
	marker := issueMarker(key)
	query := url.Values{"q": {marker + " in:body repo:" + d.action.Of + " type:issue"}}
	var found struct {
		Items []githubIssue `json:"items"`
	}
	if err := d.github(ctx, http.MethodGet, "/search/issues?"+query.Encode(), nil, &found); err != nil {
		return "", err
	}
	var newest []githubIssue
	query = url.Values{"state": {"all"}, "sort": {"created"}, "direction": {"desc"}, "per_page": {"100"}}
	if err := d.github(ctx, http.MethodGet, "/repos/"+d.action.Of+"/issues?"+query.Encode(), nil, &newest); err != nil {
		return "", err
	}
	for _, issue := range append(found.Items, newest...) {
		if strings.Contains(issue.Body, marker) {
			return issueURL(issue.URL), nil
		}
	}
	return "", nil
}

func (d *issueDeed) open(ctx context.Context, key object.Digest) (string, error) {
	var made githubIssue
	title := "Drift of " + d.name + ": " + shortNames(d.answer.Drifted())
	body := map[string]string{"title": strings.ToValidUTF8(cut(title, 200), "\ufffd"), "body": issueBody(d.rec.ID, d.name, d.answer, issueMarker(key))}
	err := d.github(ctx, http.MethodPost, "/repos/"+d.action.Of+"/issues", body, &made)
	return issueURL(made.URL), err
}

// issueURL is the address that the server gave, if it is one that can be shown.
func issueURL(text string) string {
	if u, err := url.Parse(text); err != nil || u.Scheme != "https" && u.Scheme != "http" || len(text) > 1000 {
		return ""
	}
	return text
}

// github asks the interface. A POST is not repeated by itself: the first may have worked, and find looks before the next.
func (d *issueDeed) github(ctx context.Context, method, path string, in, out any) error {
	base := os.Getenv("GITHUB_API_URL")
	if base == "" {
		base = "https://api.github.com"
	}
	c := call{method: method, url: strings.TrimSuffix(base, "/") + path, public: true, header: http.Header{
		"Accept": {"application/vnd.github+json"}, "Authorization": {"Bearer " + os.Getenv("GITHUB_TOKEN")},
		"X-Github-Api-Version": {"2022-11-28"}, "User-Agent": {userAgent}}}
	w := newWeb()
	ask := w.ask
	if in != nil {
		var err error
		if c.body, err = json.Marshal(in); err != nil {
			return err
		}
		c.header.Set("Content-Type", "application/json")
		ask = func(ctx context.Context, c call) ([]byte, error) {
			body, _, err := w.once(ctx, c)
			return body, err
		}
	}
	body, err := ask(ctx, c)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fault.New(fault.Unavailable, "%s does not answer as GitHub does", c.shown())
	}
	return nil
}

// issueBody is the text of the issue. Names come from data and are escaped: they mention nobody and link to nothing.
func issueBody(id object.Digest, name string, a drift.Answer, marker string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Monitor %s found drift", markdownWord(name))
	if a.Window.From != nil && a.Window.To != nil {
		fmt.Fprintf(&b, " in %s to %s", a.Window.From.Format("2006-01-02 15:04 MST"), a.Window.To.Format("2006-01-02 15:04 MST"))
	}
	fmt.Fprintf(&b, ": %s rows against %s", strconv.FormatInt(a.Window.Rows, 10), markdownWord(a.Reference.Name))
	b.WriteString(".\n\n| what | found | threshold |\n| --- | --- | --- |\n")
	rows := 0
	for _, c := range a.Columns {
		if c.Verdict == drift.Drift && rows < 50 {
			rows++
			fmt.Fprintf(&b, "| %s | %s | %s |\n", markdownWord(c.Name), markdownWord(c.Text), number(c.Threshold))
		}
	}
	for _, f := range a.Checks {
		if f.Word() == string(drift.Drift) && rows < 50 {
			rows++
			fmt.Fprintf(&b, "| %s | %s | %s |\n", markdownWord(f.Name), markdownWord(f.Shown), markdownWord(f.Needs))
		}
	}
	if more := len(a.Drifted()) - rows; more > 0 {
		fmt.Fprintf(&b, "\nand %d more.\n", more)
	}
	fmt.Fprintf(&b, "\n`mlx show %s` has the distributions. %s says what else it starts.\n", id.Short(), repo.ConfigName)
	fmt.Fprintf(&b, "\n<!-- %s -->\n", marker)
	return strings.ToValidUTF8(b.String(), "\ufffd")
}

// markdownWord is a text of at most 300 bytes in which GitHub finds no formatting, no HTML, no link and no mention. It looks for mentions and
// numbers of issues in what the Markdown says, however that was escaped: a space of no width keeps them from it.
func markdownWord(s string) string {
	return strings.NewReplacer("&#64;", "&#64;&#8203;", `\#`, `\#&#8203;`, ":", "&#58;", "/", "&#47;", ".", `\.`, "_", `\_`, "$", `\$`,
		"(", `\(`, ")", `\)`).
		Replace(page.Markdown(cut(s, 300)))
}

func cut(s string, most int) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
