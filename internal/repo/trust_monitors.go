package repo

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// TrustAction is the kind of what drift starts, other than a stage: its value is what OnDrift.Actions says.
const TrustAction = "action"

// The ways in which drift starts something.
const (
	ActionRepro   = "repro"
	ActionRun     = "run"
	ActionCommand = "command"
	ActionWebhook = "webhook"
	ActionIssue   = "github issue"
)

// DriftAction is one thing that drift starts.
type DriftAction struct {
	Kind string // ActionRepro, ...
	Of   string // stage, command, URL or OWNER/REPO
}

// What names the action in what its user allows: "run python retrain.py".
func (d DriftAction) What() string { return d.Kind + " " + d.Of }

// Shown names the action wherever people and records see it.
func (d DriftAction) Shown() string {
	if d.Kind == ActionWebhook {
		d.Of = ShownServer(d.Of)
	}
	return d.What()
}

// ShownServer is the address of a webhook as it is shown: the server alone. Path and query are as a rule all that lets somebody in.
func ShownServer(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "…"
	}
	shown := u.Scheme + "://" + u.Host
	if strings.TrimSuffix(address, "/") != shown {
		shown += "/…"
	}
	return shown
}

// Shown is the item as it is shown: without what could be secret in the address of a webhook. What is allowed is the item itself.
func (i TrustItem) Shown() TrustItem {
	for _, value := range []*string{&i.Value, &i.Was} {
		if of, ok := strings.CutPrefix(*value, ActionWebhook+" "); ok && i.Kind == TrustAction {
			*value = DriftAction{ActionWebhook, of}.Shown()
		}
	}
	return i
}

// Actions are what drift starts, in the order in which they are started: those that only tell somebody come first, because the others may
// take hours.
func (o OnDrift) Actions() []DriftAction {
	all := []DriftAction{{ActionIssue, o.GitHubIssue}, {ActionWebhook, o.Webhook}, {ActionCommand, o.Command}, {ActionRun, o.Run}, {ActionRepro, o.Repro}}
	return slices.DeleteFunc(all, func(d DriftAction) bool { return d.Of == "" })
}

// Tables are the tables that the monitor names, as they stand there.
func (m Monitor) Tables() []string {
	return []string{m.Current, m.Reference, m.Predictions.Table, m.Predictions.Reference, m.Labels, m.Golden.Table}
}

// monitors adds what monitors contact and start, of some kinds.
func (c *Config) monitors(add func(kind, name, value string), kinds ...string) {
	some := func(kind, name, value string) {
		if slices.Contains(kinds, kind) {
			add(kind, name, value)
		}
	}
	for name, m := range c.Monitors.All() {
		for _, table := range m.Tables() {
			if strings.Contains(table, "://") {
				some(TrustTable, table, table)
			}
		}
		some(TrustModel, name, m.Golden.Model.URL)
		some(TrustCheck, name, m.Golden.Model.Command)
		some(TrustCheck, name, m.Golden.Model.Serve)
		for _, action := range m.OnDrift.Actions() {
			if action.Kind != ActionRepro { // the commands of stages are allowed by themselves
				some(TrustAction, name, action.What())
			}
		}
	}
}

// MonitorTrust lists what the monitors need allowed.
func (c *Config) MonitorTrust() []TrustItem {
	return different(func(add func(kind, name, value string)) {
		c.monitors(add, TrustTable, TrustModel, TrustCheck, TrustAction)
	})
}

// ApprovedTable says whether the user has allowed the URL of a table: this one, or one in which {date}, {year}, {month} and {day} stand where
// this one has digits.
func (t *Trust) ApprovedTable(where string) bool {
	if t.Approved(TrustTable, where, where) {
		return true
	}
	digits := strings.NewReplacer(`\{date\}`, `\d{4}-\d{2}-\d{2}`, `\{year\}`, `\d{4}`, `\{month\}`, `\d{2}`, `\{day\}`, `\d{2}`)
	for a := range t.allowed {
		if a.Kind != TrustTable || a.Name != a.Value || !strings.Contains(a.Value, "{") {
			continue
		}
		pattern, err := regexp.Compile("^" + digits.Replace(regexp.QuoteMeta(a.Value)) + "$")
		if err == nil && pattern.MatchString(where) {
			return true
		}
	}
	return false
}
