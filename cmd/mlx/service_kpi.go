package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// kpiTime is how long the command of a KPI may take.
const kpiTime = 10 * time.Minute

// kpiRest is how many times as long as it took to ask for the values of all users nobody asks again.
const kpiRest = 10

// kpiState is what was found out about the users of an A/B test so far.
type kpiState struct {
	of     object.Digest // the rollout
	events []deploy.Event
	asked  time.Time
	took   time.Duration

	visits map[string]firstAsk // first requests, by word
	upTo   time.Time           // requests before it have been read
}

// kpiRow is what a user was worth.
type kpiRow struct {
	user  string
	value float64
	at    time.Time // zero: it was not said
}

// users are the values of the users of an A/B test. To ask again and again takes a tenth of the time at most.
func (s *served) users(ctx context.Context, r deploy.Rollout) ([]deploy.Event, error) {
	k, began := &s.kpi, s.app.now()
	switch {
	case k.of != r.ID:
		*k = kpiState{of: r.ID}
	case k.took > 0 && began.Sub(k.asked) < kpiRest*k.took:
		return k.events, nil
	}
	ctx, stop := context.WithTimeout(ctx, kpiTime)
	defer stop()
	ask := s.usersByCommand
	if r.Users.Label != "" {
		ask = s.usersByLabel
	}
	events, err := ask(ctx, r)
	if err != nil {
		return nil, err
	}
	k.events, k.asked = events, s.app.now()
	k.took = max(k.asked.Sub(began), 1)
	return events, nil
}

// usersByCommand puts users that a command tells of into the arms of the router. Where the log has every request, who asked counts, also
// without a value, and nobody else.
func (s *served) usersByCommand(ctx context.Context, r deploy.Rollout) ([]deploy.Event, error) {
	rows, err := s.kpiRows(ctx, r)
	if err != nil {
		return nil, err
	}
	visits, named, err := s.visits(ctx, r)
	if err != nil {
		return nil, err
	}
	var events []deploy.Event
	for user, v := range visits {
		events = append(events, deploy.Event{User: user, At: v.at, Candidate: v.bucket < int(r.Share())})
	}
	for _, row := range rows {
		hash := router.Hash(r.Sticky.Salt, row.user)
		e := deploy.Event{User: fmt.Sprintf("%016x", hash), At: row.at, Value: row.value, Candidate: hash%uint64(deploy.All) < uint64(r.Share())}
		if e.At.IsZero() {
			e.At = r.Began
		}
		if visits != nil {
			e.User = named(e.User)
			v, ok := visits[e.User]
			if !ok || !row.at.IsZero() && row.at.Before(v.at) {
				continue // it never asked, or this came before it did
			}
			if e.At.Before(v.at) {
				e.At = v.at
			}
		} else if !row.at.IsZero() && row.at.Before(r.Began) {
			continue
		}
		events = append(events, e)
	}
	return events, nil
}

// kpiRows asks the command of the KPI.
func (s *served) kpiRows(ctx context.Context, r deploy.Rollout) ([]kpiRow, error) {
	command := r.Users.Command
	end, err := s.runTold(ctx, command, r)
	switch {
	case err != nil:
		return nil, err
	case end.TooLong:
		return nil, fmt.Errorf("%q printed more than %d MiB", command, gate.MaxReply>>20)
	case end.Status != 0:
		return nil, fmt.Errorf("%q ended with status %d: %s", command, end.Status, lastLine(end.Stderr))
	}
	rows, err := parseKPI(end.Stdout)
	if err != nil {
		return nil, fmt.Errorf("%q printed no values of users: %w", command, err)
	}
	return rows, nil
}

// runTold runs a command of mlx.yaml that its user has allowed, and tells it of a rollout.
func (s *served) runTold(ctx context.Context, command string, r deploy.Rollout) (end run.ToolEnd, err error) {
	ok, err := s.app.itemAllowed(ctx, repo.TrustItem{Kind: repo.TrustCheck, Name: s.base(), Value: command})
	if err != nil {
		return end, err
	}
	if !ok {
		return end, fault.New(fault.Denied, "%q is not allowed here", command).Hint("mlx trust")
	}
	root, err := s.app.repo()
	if err != nil {
		return end, err
	}
	tool := run.Tool{Argv: shellCommand(command), Dir: root.Root, Env: slices.Clone(s.app.environ), Most: gate.MaxReply}
	words := rolloutWords(r)
	for _, name := range slices.Sorted(maps.Keys(words)) {
		tool.Env = append(tool.Env, "MLX_"+strings.ToUpper(name)+"="+words[name])
	}
	return tool.Run(ctx)
}

// lastLine is the last line that something printed.
func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// parseKPI reads CSV with the columns user, value and perhaps time, or JSON lines with these.
func parseKPI(text []byte) ([]kpiRow, error) {
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return nil, nil
	}
	if text[0] == '{' {
		return parseKPILines(text)
	}
	in := csv.NewReader(bytes.NewReader(text))
	in.ReuseRecord = true
	head, err := in.Read()
	if err != nil {
		return nil, err
	}
	user, value, at := slices.Index(head, "user"), slices.Index(head, "value"), slices.Index(head, "time")
	if user < 0 || value < 0 {
		return nil, fmt.Errorf("it needs the columns user and value, and has %.200q", strings.Join(head, ","))
	}
	var rows []kpiRow
	for n := 2; ; n++ {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		when := ""
		if at >= 0 {
			when = record[at]
		}
		row, err := newKPIRow(strings.Clone(record[user]), record[value], when)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		rows = append(rows, row)
	}
}

func parseKPILines(text []byte) ([]kpiRow, error) {
	var rows []kpiRow
	n := 0
	for line := range bytes.Lines(text) {
		if n++; len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var said struct {
			User  json.RawMessage `json:"user"`
			Value json.Number     `json:"value"`
			Time  string          `json:"time"`
		}
		if err := json.Unmarshal(line, &said); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		user := string(said.User) // a number as it stands
		if strings.HasPrefix(user, `"`) {
			if err := json.Unmarshal(said.User, &user); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
		}
		row, err := newKPIRow(user, said.Value.String(), said.Time)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func newKPIRow(user, value, at string) (kpiRow, error) {
	row := kpiRow{user: user}
	var err error
	if user == "" || user == "null" {
		return row, errors.New("there is no user")
	}
	if row.value, err = strconv.ParseFloat(value, 64); err != nil || row.value-row.value != 0 {
		return row, fmt.Errorf("the value %.60q is no number", value)
	}
	if at == "" {
		return row, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, time.DateOnly} {
		if row.at, err = time.Parse(layout, at); err == nil {
			return row, nil
		}
	}
	return row, fmt.Errorf("the time %.60q is none such as 2026-11-23T14:02:07Z", at)
}

// mayCompare refuses an A/B test that can have no verdict.
func (s *served) mayCompare(spec deploy.Spec) error {
	if spec.Strategy != deploy.AB {
		return nil
	}
	bad := func(format string, args ...any) *fault.Error {
		return fault.New(fault.Usage, "cannot test "+spec.To.Name()+" on users of "+s.name+": "+format, args...).In(s.cfg.Rollout.At)
	}
	u := spec.Users
	switch {
	case u.Command == "" && u.Label == "":
		return bad("%s does not say what they are compared by", repo.ConfigName).Hint("kpi: {command: CSV of user and value}   # in rollout of services.%s", s.base()).
			Hint("kpi: {label: COLUMN, monitor: NAME}")
	case u.Label == "":
		return nil
	case !s.logsAll():
		return bad("labels are joined to the log of predictions, which does not keep all of them").Hint("log: {share: 100%%}   # in services.%s", s.base())
	}
	return s.labels(u.Monitor, u.Label, bad)
}

// labels refuses a monitor that has no labels for the answers of the service, or calls them otherwise.
func (s *served) labels(monitor, column string, bad func(string, ...any) *fault.Error) error {
	config, err := s.config()
	if err != nil {
		return err
	}
	m, ok := config.Monitors.Get(monitor)
	of := refService + ":" + s.name
	switch label := cmp.Or(m.Predictions.Label, "label"); {
	case !ok:
		return bad("there is no monitor %q", monitor).Hint("mlx drift list")
	case m.Predictions.Table != of:
		return bad("the labels of monitor %s are not of its answers", monitor).Hint("monitors: {%s: {predictions: %s, …}}", monitor, of)
	case column != "" && column != label:
		return bad("monitor %s calls its labels %s, not %s", monitor, label, column).Hint("label: %s", label)
	}
	return nil
}
