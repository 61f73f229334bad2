package repo

import (
	"net"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
)

// Service is a model that answers requests, or several stages that answer as one.
type Service struct {
	Model  string    `yaml:"model" doc:"Name of the model."`
	Stage  string    `yaml:"stage" doc:"Stage that the served version is in."`
	Cmd    string    `yaml:"cmd" doc:"Anything that listens on port $PORT of 127.0.0.1; the model is in $MLX_MODEL_DIR."`
	Server string    `yaml:"server" enum:"onnxruntime mlflow kserve mlserver bentoml triton vllm tgi tfserving torchserve" doc:"A server that mlx knows how to start, in place of cmd."`
	Env    Map[Text] `yaml:"env" doc:"Variables of the environment of a server."`
	Code   []string  `yaml:"code" doc:"Files and folders of the repository that a server needs; all of the commit when absent."`

	Ready        string    `yaml:"ready" doc:"Path that answers 200 when the server can work; probed when absent."`
	StartTimeout Duration  `yaml:"start_timeout" doc:"Longest time until a server is ready; 180s when absent."`
	StopTimeout  Duration  `yaml:"stop_timeout" doc:"What a server has to end after TERM; 30s when absent."`
	Replicas     int       `yaml:"replicas" doc:"Number of servers; 1 when absent."`
	Memory       Size      `yaml:"memory" doc:"What one server needs; measured when absent."`
	GPUMemory    Size      `yaml:"gpu_memory" doc:"What one server needs of a GPU."`
	Protocol     string    `yaml:"protocol" enum:"v2 mlflow json raw" doc:"Open Inference Protocol v2, MLflow scoring, JSON, or anything; json when absent, or what the server speaks."`
	Answer       string    `yaml:"answer" doc:"JSON pointer to the prediction in an answer, such as /predictions/0; told from the protocol when absent."`
	Idempotent   bool      `yaml:"idempotent" doc:"To ask twice does no harm: a request whose server broke is asked again of another."`
	Target       string    `yaml:"target" enum:"host haproxy kubernetes" doc:"Where it runs; host when absent."`
	Listen       string    `yaml:"listen" doc:"Address of the router, such as 127.0.0.1:8080; a free port of 127.0.0.1 when absent. Of target haproxy: that of its frontend."`
	TLS          TLS       `yaml:"tls" doc:"Certificate of the router; plain HTTP when absent."`
	Limits       Limits    `yaml:"limits" doc:"What the router takes."`
	Proxies      []string  `yaml:"proxies" doc:"Addresses or networks whose X-Forwarded-For is believed."`
	Schema       string    `yaml:"schema" enum:"refuse count none" doc:"A request that does not fit the signature of the model: refused with 400, counted only, or not looked at. refuse when absent."`
	Sticky       Sticky    `yaml:"sticky" doc:"What keeps a user with one version during a rollout; every request is drawn when absent."`
	Compare      Tolerance `yaml:"compare" doc:"When the answers of a shadow count as the same."`
	Warmup       Warmup    `yaml:"warmup" doc:"Requests that a server answers before it gets traffic."`
	Metrics      string    `yaml:"metrics" doc:"Address at which the router shows its metrics to Prometheus, such as 127.0.0.1:9100."`
	Traces       string    `yaml:"traces" doc:"Address that takes OpenTelemetry traces by HTTP, such as http://127.0.0.1:4318/v1/traces."`
	SLO          SLO       `yaml:"slo" doc:"How much may go wrong."`

	Rollout Rollout    `yaml:"rollout" doc:"How a new version takes over."`
	Log     ServiceLog `yaml:"log" doc:"Which predictions are kept."`

	HAProxy    HAProxy    `yaml:"haproxy" doc:"The HAProxy that requests come through, of target: haproxy."`
	Kubernetes Kubernetes `yaml:"kubernetes" doc:"The cluster that it runs on, of target: kubernetes."`
	Hosts      []Host     `yaml:"hosts" doc:"Hosts that serve it as one, each by mlx service run in a clone; this machine when absent."`

	Stages  []ServiceStage `yaml:"stages" doc:"Models and lists of hashes that answer as one, in place of model and cmd."`
	Combine string         `yaml:"combine" enum:"cascade mean vote weighted" doc:"How stages make one answer: the first one that is sure, or all of them at once. cascade when absent."`
	Quorum  int            `yaml:"quorum" doc:"How many stages must answer where they are combined; more than half when absent." some:"true"`

	Price ServicePrice `yaml:"price" doc:"What answers cost: the log of predictions has the cost of each."`

	At fault.Position `yaml:"-"`
}

// TLS is the certificate of a router. The files are read again when they change.
type TLS struct {
	Cert string `yaml:"cert" doc:"File with the certificate and those that signed it." need:"true"`
	Key  string `yaml:"key" doc:"File with its key." need:"true"`

	At fault.Position `yaml:"-"`
}

// Limits bound what a router takes.
type Limits struct {
	Body     Size     `yaml:"body" doc:"Largest request; 64MiB when absent."`
	Time     Duration `yaml:"time" doc:"Longest time of an answer to begin; 60s when absent."`
	Queue    int      `yaml:"queue" doc:"Requests that may wait for a server; 512 of a version and 1024 in all when absent. More: 503."`
	InFlight int      `yaml:"in_flight" doc:"Requests that one server works on at a time, as far as they are spread evenly; 512 of a version when absent."`
	Idle     Duration `yaml:"idle" doc:"How long a connection may rest; more than the time of a load balancer before it. 620s when absent."`
	Drain    Duration `yaml:"drain" doc:"What requests have to end when a server or router stops; 30s when absent."`

	At fault.Position `yaml:"-"`
}

// Sticky says where the word stands that a user's version is chosen by. It has one subject.
type Sticky struct {
	Header string `yaml:"header" doc:"Name of a header."`
	Cookie string `yaml:"cookie" doc:"Name of a cookie."`
	Field  string `yaml:"field" doc:"JSON pointer into the request, such as /user/id."`

	At fault.Position `yaml:"-"`
}

// Tolerance says when two answers count as the same.
type Tolerance struct {
	Part     string  `yaml:"part" doc:"JSON pointer to what is compared; the predictions when absent."`
	Absolute float64 `yaml:"absolute" doc:"Numbers may differ by this; 0.000001 when absent."`
	Relative float64 `yaml:"relative" doc:"Numbers may differ by this part of the greater; 0.0001 when absent."`
	Body     Size    `yaml:"body" doc:"Longer answers are not compared; 1MiB when absent."`

	At fault.Position `yaml:"-"`
}

// Warmup is what a server is asked before it gets traffic.
type Warmup struct {
	File  string `yaml:"file" doc:"Requests: JSON, one a line, or one file of any kind."`
	Path  string `yaml:"path" doc:"Path that is asked; told from the protocol when absent."`
	Type  string `yaml:"type" doc:"Content type of the requests; application/json when absent."`
	Times int    `yaml:"times" doc:"How many are sent; 20 when absent."`

	At fault.Position `yaml:"-"`
}

// SLO says how much may go wrong.
type SLO struct {
	Availability Share    `yaml:"availability" doc:"Share of the requests that are answered without an error, such as 99.99%."`
	Window       Duration `yaml:"window" doc:"Span in which that holds; 30d when absent."`

	At fault.Position `yaml:"-"`
}

// Rollout says how a new version takes over.
type Rollout struct {
	Strategy   string   `yaml:"strategy" enum:"canary shadow ab bluegreen" doc:"How traffic moves."`
	Steps      []Share  `yaml:"steps" doc:"Shares of traffic, rising to 100%."`
	Bake       Duration `yaml:"bake" doc:"A step lasts at least this."`
	MaxBake    Duration `yaml:"max_bake" doc:"Inconclusive for longer than this pauses."`
	MinSamples int      `yaml:"min_samples" doc:"Answers that a step needs."`
	Mirror     Share    `yaml:"mirror" doc:"Share of the requests that a shadow gets copies of; 100% when absent."`
	Lease      Duration `yaml:"lease" doc:"A new version loses its traffic when mlx says nothing for this long; 30s when absent."`
	OnLoss     string   `yaml:"on_loss" enum:"revert hold" doc:"What happens then: back to the old version, or an A/B test goes on as it is. revert when absent."`
	Breaks     Breaks   `yaml:"breaks" doc:"Broken connections of a new version that end a rollout at once."`
	Load       Load     `yaml:"load" doc:"Load test before the first step."`
	Prometheus string   `yaml:"prometheus" doc:"Address of the Prometheus that queries of checks ask."`
	Checks     []Check  `yaml:"checks" doc:"What must hold at every step."`
	KPI        KPI      `yaml:"kpi" doc:"What an A/B test is about."`

	At fault.Position `yaml:"-"`
}

// Breaks is a number of broken connections within a time.
type Breaks struct {
	Count int      `yaml:"count" doc:"How many; 3 when absent."`
	In    Duration `yaml:"in" doc:"Within this; 10s when absent."`

	At fault.Position `yaml:"-"`
}

// KPI is what an A/B test compares. It has one subject: Command, or Label.
type KPI struct {
	Command string `yaml:"command" doc:"Prints CSV with the columns user, value and, if it knows, time, or the same as JSON lines: what each user was worth since MLX_SINCE."`
	Label   string `yaml:"label" doc:"Column of the outcomes that mlx label add joins to the predictions."`
	Monitor string `yaml:"monitor" doc:"Monitor whose labels these are."`
	Better  string `yaml:"better" enum:"higher lower" doc:"Which is better; higher when absent."`
	Margin  Limit  `yaml:"margin" doc:"A smaller difference counts as none."`
	Cap     Limit  `yaml:"cap" doc:"Greater values of one user count as this: revenue has a heavy tail."`
	Users   int    `yaml:"users" doc:"Users after which no difference is the verdict; until it is certain when absent."`

	MinUsers int      `yaml:"min_users" doc:"Users of each version before anybody looks; 1000 when absent."`
	Window   Duration `yaml:"window" doc:"How long a user is looked at, from its first request on; it counts when that is over. At once when absent."`

	At fault.Position `yaml:"-"`
}

// Load is a load test.
type Load struct {
	Rate Rate     `yaml:"rate" doc:"Requests per second."`
	Time Duration `yaml:"time" doc:"How long."`
	P99  Duration `yaml:"p99" doc:"99 of 100 answers must be faster."`

	At fault.Position `yaml:"-"`
}

// ServiceLog says which predictions are kept.
type ServiceLog struct {
	Share    Share    `yaml:"share" doc:"Share of the predictions; all when absent."`
	Features string   `yaml:"features" enum:"full masked hash none" doc:"How inputs are kept: as they are, without what tells who somebody is, as digests, or not. masked when absent."`
	Mask     []string `yaml:"mask" doc:"Columns that masked leaves out beside those that mlx takes for personal."`
	Keep     Duration `yaml:"keep" doc:"How long; for ever when absent."`
	Strict   bool     `yaml:"strict" doc:"What cannot be kept is not answered: 503."`
	Sink     string   `yaml:"sink" doc:"Address that gets each prediction as well: kafka://TOPIC or rabbit://EXCHANGE."`

	At fault.Position `yaml:"-"`
}

func (c *Config) validateServices() error {
	for name, s := range c.Services.All() {
		if err := s.checkStages(name); err != nil {
			return err
		}
		if err := s.check(name); err != nil {
			return err
		}
		if err := s.Price.check(name); err != nil {
			return err
		}
		if err := s.checkKubernetes(name); err != nil {
			return err
		}
		if err := s.checkHAProxy(name); err != nil {
			return err
		}
		for _, check := range s.Rollout.Checks {
			if err := c.checkOfRollout(name, s, check); err != nil {
				return err
			}
		}
		if m := s.Rollout.KPI.Monitor; m != "" {
			if _, ok := c.Monitors.Get(m); !ok {
				return missing(s.Rollout.KPI.At, "service "+name, "monitor", m, c.Monitors.Names())
			}
		}
	}
	return c.sameBackend()
}

// checkOfRollout refuses a check that rollouts do not have.
func (c *Config) checkOfRollout(name string, s Service, check Check) error {
	if count(check.Metric, check.Measure, check.Column, check.Expr, check.Command, check.Query) != 1 {
		return failPosition(check.At, "a check has exactly one subject: measure, expr, query or command")
	}
	if check.Metric != "" || check.Column != "" {
		return failPosition(check.At, "a check of a rollout is about answers: measure, expr, query or command")
	}
	if check.Monitor != "" {
		if check.Measure == "" {
			return failPosition(check.At, "labels of a monitor are what a measure is computed of").Hint("{measure: roc_auc, monitor: %s, min: …}", check.Monitor)
		}
		if _, ok := c.Monitors.Get(check.Monitor); !ok {
			return missing(check.At, "service "+name, "monitor", check.Monitor, c.Monitors.Names())
		}
	}
	if check.Query != "" && s.Rollout.Prometheus == "" {
		return failPosition(check.At, "a query needs the address of the Prometheus that it asks").
			Hint("rollout: {prometheus: 'http://127.0.0.1:9090', …}")
	}
	return nil
}

func (s Service) check(name string) error {
	bad := func(at fault.Position, format string, args ...any) *fault.Error {
		return failPosition(at, "service "+name+" "+format, args...)
	}
	at := s.At
	r := s.Rollout
	switch {
	case !plainName(name):
		return bad(at, "has a name that is no folder: letters, digits, - _ and . are").Hint("services: {%s: …}", "flights")
	case s.Cmd == "" && s.Server == "" && len(s.Stages) == 0:
		return bad(at, "has no server").Hint("cmd: python serve.py   # anything that listens on $PORT").Hint("server: mlflow   # or onnxruntime, kserve, triton, …")
	case s.Cmd != "" && s.Server != "":
		return bad(at, "has two servers: cmd or server, not both")
	case s.Replicas < 0 || s.Replicas > 1000:
		return bad(at, "asks for %d servers, which is no number from 1 to 1000", s.Replicas)
	case count(s.Sticky.Header, s.Sticky.Cookie, s.Sticky.Field) > 1:
		return bad(s.Sticky.At, "keeps users by several things: header, cookie or field")
	case !pointer(s.Sticky.Field):
		return bad(s.Sticky.At, "keeps users by %q, which is no JSON pointer such as /user/id", s.Sticky.Field)
	case !pointer(s.Answer):
		return bad(at, "answers at %q, which is no JSON pointer such as /predictions/0", s.Answer)
	case !pointer(s.Compare.Part):
		return bad(s.Compare.At, "compares at %q, which is no JSON pointer such as /predictions", s.Compare.Part)
	case s.Compare.Absolute < 0 || s.Compare.Relative < 0:
		return bad(s.Compare.At, "has a tolerance below zero")
	case s.SLO.Availability.Set && !(s.SLO.Availability.Value < 1):
		return bad(s.SLO.At, "must answer every request: nothing may go wrong then, also no rollout").Hint("slo: {availability: 99.9%%}")
	case s.Log.Strict && s.Log.Share.Set && s.Log.Share.Value < 1:
		return bad(s.Log.At, "answers what it does not keep, and nothing that it cannot keep: strict is for all predictions").Hint("log: {strict: true, …}   # without share")
	case s.SLO.Availability.Set && s.SLO.Availability.Value <= 0 || s.SLO.Window.Duration < 0 || s.SLO.Window.Duration > 90*24*time.Hour:
		return bad(s.SLO.At, "has an slo that nothing can be told of: a share above 0%%, of at most 90 days").Hint("slo: {availability: 99.9%%, window: 30d}")
	case r.Strategy == "ab" && count(s.Sticky.Header, s.Sticky.Cookie, s.Sticky.Field) == 0:
		return bad(s.At, "runs an A/B test, in which a user must stay with one version").Hint("sticky: {header: X-User}   # or cookie, field")
	case r.OnLoss == "hold" && r.Strategy != "ab":
		return bad(r.At, "holds a new version when mlx is gone: only an A/B test may")
	}
	if err := r.KPI.check(bad); err != nil {
		return err
	}
	if err := s.checkSteps(bad); err != nil {
		return err
	}
	if err := s.checkHosts(bad); err != nil {
		return err
	}
	for key, address := range map[string]string{"listen": s.Listen, "metrics": s.Metrics} {
		if _, _, err := net.SplitHostPort(address); address != "" && err != nil {
			return bad(at, "has a %s of %q, which is no HOST:PORT such as 127.0.0.1:8080", key, address)
		}
	}
	for _, p := range s.Proxies {
		if _, _, err := net.ParseCIDR(p); err != nil && net.ParseIP(p) == nil {
			return bad(at, "believes the proxy %q, which is no address or network such as 10.0.0.0/8", p)
		}
	}
	return nil
}

// check refuses what an A/B test cannot compare.
func (k KPI) check(bad func(at fault.Position, format string, args ...any) *fault.Error) error {
	switch {
	case count(k.Command, k.Label) > 1:
		return bad(k.At, "has two KPIs: command or label, not both")
	case k.MinUsers < 0 || k.MinUsers == 1 || k.Users < 0:
		return bad(k.At, "compares too few users: at least two of each version")
	case k.Label != "" && k.Monitor == "":
		return bad(k.At, "compares outcomes, and names no monitor that has them").Hint("kpi: {label: %s, monitor: NAME}", k.Label)
	}
	return nil
}

func (s Service) checkSteps(bad func(at fault.Position, format string, args ...any) *fault.Error) error {
	steps := s.Rollout.Steps
	if len(steps) == 0 {
		return nil
	}
	last := 0.0
	for _, step := range steps {
		if step.Value <= last || step.Value > 1 {
			return bad(s.Rollout.At, "has steps that do not rise from above 0%% to 100%%").Hint("steps: [1%%, 5%%, 20%%, 100%%]")
		}
		last = step.Value
	}
	if last != 1 && s.Rollout.Strategy != "ab" {
		return bad(s.Rollout.At, "has steps that do not end at 100%%").Hint("steps: [1%%, 5%%, 20%%, 100%%]")
	}
	return nil
}

// plainName says whether a name can be that of a folder and of a unit of systemd.
func plainName(name string) bool {
	return name != "" && len(name) <= 100 && name[0] != '.' && name[0] != '-' && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !slices.Contains([]rune("-_."), c)
	})
}

func pointer(p string) bool { return p == "" || strings.HasPrefix(p, "/") }

// ServiceTrust lists what the services need allowed.
func (c *Config) ServiceTrust() []TrustItem { return different(c.services) }

// services adds what services run, read and send to, as they stand and in each environment.
func (c *Config) services(add func(kind, name, value string)) {
	all := append([]*Config{c}, c.elsewhere()...)
	for _, in := range all {
		for name, s := range in.Services.All() {
			for _, check := range s.Rollout.Checks {
				add(TrustCheck, name, check.Command)
			}
			add(TrustCheck, name, s.Rollout.KPI.Command)
			add(TrustTable, s.Rollout.Prometheus, s.Rollout.Prometheus)
			add(TrustModel, name, s.Traces)
			add(TrustModel, name, s.Log.Sink)
		}
	}
	for _, in := range all {
		for name, s := range in.Services.All() {
			add(TrustService, name, s.TrustValue())
		}
	}
}

// TrustValue is what a user allows who allows the service: its command, or the server that mlx starts, and what of this and other machines it drives.
func (s Service) TrustValue() string {
	what := s.Cmd
	switch {
	case len(s.Stages) > 0:
		what = s.trustOfStages()
	case s.Server != "":
		what = "server: " + s.Server
	}
	return what + s.hostsTrust() + s.haproxyTrust() + s.kubernetesTrust()
}
