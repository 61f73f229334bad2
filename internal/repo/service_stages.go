package repo

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// ServiceStage is one of several models, or a list of hashes, that a service answers by.
type ServiceStage struct {
	Name   string    `yaml:"name" doc:"Name of the stage: status and the header X-Mlx-Stage have it." need:"true"`
	Model  string    `yaml:"model" doc:"Name of its model."`
	Cmd    string    `yaml:"cmd" doc:"Anything that listens on port $PORT of 127.0.0.1; the model is in $MLX_MODEL_DIR."`
	Server string    `yaml:"server" enum:"onnxruntime mlflow kserve mlserver bentoml triton vllm tgi tfserving torchserve" doc:"A server that mlx knows how to start, in place of cmd."`
	Env    Map[Text] `yaml:"env" doc:"Variables of the environment of its server, beside those of the service."`

	Ready        string   `yaml:"ready" doc:"Path that answers 200 when the server can work; probed when absent."`
	StartTimeout Duration `yaml:"start_timeout" doc:"Longest time until its server is ready; 180s when absent."`
	StopTimeout  Duration `yaml:"stop_timeout" doc:"What its server has to end after TERM; 30s when absent."`
	Protocol     string   `yaml:"protocol" enum:"v2 mlflow json raw" doc:"What its server speaks; json when absent, or what the server of that name speaks."`
	Path         string   `yaml:"path" doc:"Path at which it is asked; told from the server when absent, else that of the request."`

	Hashes   string `yaml:"hashes" doc:"File with a hash in hexadecimal digits a line, in place of a model: who has one of them gets reply."`
	Of       string `yaml:"of" doc:"JSON pointer to the text in the request whose hash is looked up; the whole body when absent."`
	Encoding string `yaml:"encoding" enum:"text base64 hex" doc:"What that text is: itself what is hashed, base64 of it, or the hash. text when absent."`

	Answer   string   `yaml:"answer" doc:"JSON pointer to the prediction in its answer; that of the service when absent."`
	Next     string   `yaml:"next" doc:"The next stage is asked when this holds of the answer, such as: score >= 0.2 and score <= 0.8."`
	Weight   float64  `yaml:"weight" doc:"How much its prediction counts, of combine: weighted; 1 when absent."`
	Deadline Duration `yaml:"deadline" doc:"Whoever answers later counts as failed; 60s when absent." some:"true"`
	OnError  string   `yaml:"on_error" enum:"skip fail reply" doc:"What becomes of a request whose stage fails or is late: as if the stage were not there, an error, or reply. fail when absent; skip where stages are combined."`
	Reply    Free     `yaml:"reply" doc:"Answer that mlx gives: of hashes to who is on the list, of a model with on_error: reply when it fails."`

	At fault.Position `yaml:"-"`
}

// The ways in which stages make one answer.
const (
	CombineCascade  = "cascade"
	CombineMean     = "mean"
	CombineVote     = "vote"
	CombineWeighted = "weighted"
)

// maxStages bounds how many stages a service has.
const maxStages = 16

// Models are the names of the models that a service answers by, each once.
func (s Service) Models() []string {
	if len(s.Stages) == 0 {
		return []string{s.Model}
	}
	var all []string
	for _, stage := range s.Stages {
		if stage.Model != "" && !slices.Contains(all, stage.Model) {
			all = append(all, stage.Model)
		}
	}
	return all
}

// Cascades says whether the stages are asked one after the other.
func (s Service) Cascades() bool { return s.Combine == "" || s.Combine == CombineCascade }

// checkStages refuses what makes no answer of stages.
func (s Service) checkStages(name string) error {
	bad := func(at fault.Position, format string, args ...any) *fault.Error {
		return failPosition(at, "service "+name+" "+format, args...)
	}
	if len(s.Stages) == 0 {
		switch {
		case s.Model == "":
			return bad(s.At, "has no model").Hint("model: %s", name).Hint("stages: [{name: …, model: …, cmd: …}, …]")
		case s.Combine != "" || s.Quorum != 0:
			return bad(s.At, "combines stages, and has none").Hint("stages: [{name: …, model: …, cmd: …}, …]")
		}
		return nil
	}
	switch {
	case s.Model != "" || s.Cmd != "" || s.Server != "" || s.Ready != "":
		return bad(s.At, "has stages: model, cmd, server and ready are theirs").Hint("stages: [{name: …, model: …, cmd: …}, …]")
	case len(s.Stages) > maxStages:
		return bad(s.At, "has %d stages, at most %d", len(s.Stages), maxStages)
	case s.Quorum < 0 || s.Quorum > len(s.Stages) || s.Quorum > 0 && s.Cascades():
		return bad(s.At, "asks for %d answers: a quorum is a number of stages that are combined", s.Quorum)
	case !s.Cascades() && len(s.Stages) < 2:
		return bad(s.At, "combines one stage")
	}
	seen := map[string]bool{}
	for i, stage := range s.Stages {
		if seen[stage.Name] || !plainName(stage.Name) {
			return bad(stage.At, "has a stage %q: names of stages are words of letters, digits, - _ and ., each once", stage.Name)
		}
		seen[stage.Name] = true
		stageBad := func(format string, args ...any) *fault.Error {
			return bad(stage.At, "has a stage "+stage.Name+" that "+format, args...)
		}
		if err := stage.check(stageBad); err != nil {
			return err
		}
		if err := s.checkPlace(i, stageBad); err != nil {
			return err
		}
	}
	return nil
}

// check refuses a stage that nobody can ask.
func (g ServiceStage) check(bad func(format string, args ...any) *fault.Error) error {
	served := g.Model != "" || g.Cmd != "" || g.Server != ""
	switch {
	case g.Hashes == "" && g.Model == "":
		return bad("has neither a model nor hashes").Hint("{name: %s, model: …, cmd: …}", g.Name).Hint("{name: %s, hashes: FILE, of: /image, reply: {label: bad}}", g.Name)
	case g.Hashes != "" && served:
		return bad("has a model and hashes: one or the other")
	case g.Hashes == "" && (g.Cmd == "") == (g.Server == ""):
		return bad("needs one server: cmd or server").Hint("cmd: python serve.py   # anything that listens on $PORT")
	case g.Hashes == "" && (g.Of != "" || g.Encoding != ""):
		return bad("looks up a part of the request, and has no hashes")
	case g.Hashes != "" && g.Reply.Plain() == nil:
		return bad("says nothing of what is answered to who is on the list").Hint("reply: {label: bad}")
	case g.Hashes != "" && g.OnError == "reply":
		return bad("would answer as if everything were on the list when it fails").Hint("on_error: skip   # or fail")
	case g.Hashes != "" && (g.Next != "" || g.Answer != ""):
		return bad("has hashes: the next stage is asked of whatever is not on the list")
	case g.Hashes == "" && (g.OnError == "reply") != (g.Reply.Plain() != nil):
		return bad("has a reply for when it fails, or says so: on_error: reply and reply go together")
	case !pointer(g.Of) || !pointer(g.Answer):
		return bad("names a place by what is no JSON pointer such as /predictions/0")
	case g.Path != "" && !strings.HasPrefix(g.Path, "/"):
		return bad("is asked at %q, which is no path such as /predict", g.Path)
	case g.Deadline.Duration < 0 || g.StartTimeout.Duration < 0 || g.StopTimeout.Duration < 0:
		return bad("has a time below zero")
	case g.Weight < 0 || math.IsNaN(g.Weight) || math.IsInf(g.Weight, 0):
		return bad("has a weight that is no number above zero")
	}
	return nil
}

// checkPlace refuses a stage that has no effect among the others.
func (s Service) checkPlace(i int, bad func(format string, args ...any) *fault.Error) error {
	g, last := s.Stages[i], i == len(s.Stages)-1
	if !s.Cascades() {
		switch {
		case g.Hashes != "":
			return bad("has hashes, and stages are combined: only a cascade has such a list").Hint("combine: cascade")
		case g.Next != "":
			return bad("names when the next is asked, and all are asked at once").Hint("combine: cascade")
		case g.Weight != 0 && s.Combine != CombineWeighted:
			return bad("has a weight").Hint("combine: weighted")
		}
		return nil
	}
	switch {
	case g.Weight != 0:
		return bad("has a weight, and one stage of a cascade decides").Hint("combine: weighted")
	case last && g.Hashes != "":
		return bad("is the last one, and answers only what is on its list").Hint("- {name: …, model: …, cmd: …}   # behind it")
	case last && g.Next != "":
		return bad("names when the next is asked, and is the last one")
	case !last && g.Hashes == "" && g.Next == "" && g.OnError != "skip":
		return bad("answers everything: %s behind it is never asked", s.Stages[i+1].Name).Hint("next: score >= 0.2 and score <= 0.8").
			Hint("on_error: skip   # the one behind it answers when it fails")
	}
	return nil
}

// trustOfStages is what a user allows who allows the stages: what each of them runs.
func (s Service) trustOfStages() string {
	var all []string
	for _, g := range s.Stages {
		if g.Hashes == "" {
			all = append(all, fmt.Sprintf("%s: %s", g.Name, Service{Cmd: g.Cmd, Server: g.Server}.TrustValue()))
		}
	}
	return strings.Join(all, "; ")
}
