package router

import (
	"context"
	"encoding/json"
	"io"
	"log/slog" //nolint:depguard // net/http reports what clients do wrong to no other kind of logger
	"net"
	"net/http"
	"net/netip"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router/internal/answer"
	"mlx/internal/deploy/router/internal/jsonpart"
	"mlx/internal/fault"
)

// Options are what a router is started with.
type Options struct {
	Service   string
	Listeners []net.Listener // of traffic; closed at the end
	State     string         // folder of its own, for the state, the counters and the control socket
	Settings  Settings
	Now       func() time.Time
	Sink      Sink // nil: nobody wants to know of each request
	// Promise is asked before a request whose bodies the sink gets goes to a server, and never waits. An error answers it with 503. May be nil.
	Promise func() error
	Kept    func() deploy.Logged // what became of what the sink got; may be nil
	Log     *slog.Logger         // what a person should see; nil: nobody
	Ready   func()               // called once, when the control socket answers and traffic is accepted, or is about to be; may be nil
	// Carrier carries the traffic in place of this process, which then has no listeners. nil: the router passes requests on itself.
	Carrier Carrier
	// Await is how long who connects waits, at the start, until servers of each release that gets requests were told. 0: not at all.
	Await time.Duration
}

// NewLog writes what a person should see as lines of text.
func NewLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// Settings are what does not change while a router runs: another process with others takes over. What is zero has the default.
type Settings struct {
	Limits  Limits         `json:"limits"`
	TLS     *TLS           `json:"tls,omitempty"`     // nil: no TLS
	Trusted []netip.Prefix `json:"trusted,omitempty"` // proxies whose X-Forwarded-For, -Proto and -Host are believed
	Health  Health         `json:"health"`
	Balance Balance        `json:"balance,omitempty"` // least by default
	Compare Compare        `json:"compare"`
	Shadow  Copies         `json:"shadow"`
	Sample  Sample         `json:"sample"`
	Traces  Traces         `json:"traces"`
	Metrics string         `json:"metrics,omitempty"` // a loopback address that answers /metrics
	Drain   time.Duration  `json:"drain,omitempty"`   // how long requests may take that are under way when the router ends: 30 s
}

// Limits bound what one router takes on.
type Limits struct {
	Body       int64         `json:"body,omitempty"`        // bytes of a request: 64 MiB. More: 413
	Keep       int64         `json:"keep,omitempty"`        // bytes of a body that is kept to be sent again, copied, checked: 8 MiB. A longer one streams through
	KeepAll    int64         `json:"keep_all,omitempty"`    // bytes of all bodies that are kept at once: 256 MiB. Beyond it they stream through
	Answer     int           `json:"answer,omitempty"`      // bytes of an answer that is looked at: 1 MiB
	Time       time.Duration `json:"time,omitempty"`        // of a whole request, and of a stream until it begins: 60 s. More: 504
	Arm        int           `json:"arm,omitempty"`         // requests that one arm serves at once: 512
	ArmQueue   int           `json:"arm_queue,omitempty"`   // that wait for it: 512. More: 503
	All        int           `json:"all,omitempty"`         // requests of all arms at once: 2048
	AllQueue   int           `json:"all_queue,omitempty"`   // that wait: 1024
	QueueTime  time.Duration `json:"queue_time,omitempty"`  // how long one waits: 5 s. More: 503
	HeaderTime time.Duration `json:"header_time,omitempty"` // for the header of a request: 10 s
	Idle       time.Duration `json:"idle,omitempty"`        // how long an idle connection of a client stays: 620 s, more than load balancers keep theirs
	ServerIdle time.Duration `json:"server_idle,omitempty"` // how long one to a server stays: 1.5 s, less than servers keep theirs
	Dial       time.Duration `json:"dial,omitempty"`        // for a connection to a server: 2 s
}

// TLS names the files of a certificate and its key. They are read again when they change.
type TLS struct {
	Cert string `json:"cert"`
	Key  string `json:"key"`
}

// Health is how servers are asked whether they are well. Without a path only refused connections tell.
type Health struct {
	Path    string        `json:"path,omitempty"`
	Every   time.Duration `json:"every,omitempty"`   // 2 s
	Timeout time.Duration `json:"timeout,omitempty"` // 1 s
	Fall    int           `json:"fall,omitempty"`    // failures in a row until a server is down: 2
}

// Balance is how one of several servers of an arm is chosen.
type Balance string

// The ways.
const (
	Least Balance = "least" // who has the fewest requests under way
	Round Balance = "round" // one after the other
)

// Compare is what of the answers of stable and shadow is compared, and when two numbers are the same:
// |a-b| <= Absolute + Relative*max(|a|,|b|).
type Compare struct {
	Pointer  string  `json:"pointer,omitempty"` // JSON pointer into the answers; empty: "outputs", "predictions", or all
	Absolute float64 `json:"absolute"`
	Relative float64 `json:"relative"`
}

// Copies bound the copies that the shadow gets.
type Copies struct {
	Queue   int           `json:"queue,omitempty"`   // copies that wait: 256
	Workers int           `json:"workers,omitempty"` // copies under way at once: 16
	Age     time.Duration `json:"age,omitempty"`     // how old a copy may be when its answer comes: 2 s
}

// Sample is which requests the sink gets with their bodies.
type Sample struct {
	Share deploy.Share `json:"share"`           // of all, by the hash of their id
	Body  int          `json:"body,omitempty"`  // bytes of a request that are handed over: 64 KiB
	Reply int          `json:"reply,omitempty"` // bytes of an answer: 64 KiB
}

// Traces is where spans go.
type Traces struct {
	Endpoint string       `json:"endpoint,omitempty"` // of OTLP over HTTP, http://127.0.0.1:4318/v1/traces; empty: none are made
	Share    deploy.Share `json:"share"`              // of the traces that begin here which are sampled
}

func or[T comparable](v *T, fallback T) {
	var zero T
	if *v == zero {
		*v = fallback
	}
}

// complete fills in the defaults, and refuses what cannot be meant.
func (s Settings) complete() (Settings, error) {
	const mib = 1 << 20
	l := &s.Limits
	or(&l.Body, 64*mib)
	or(&l.Keep, 8*mib)
	or(&l.KeepAll, 256*mib)
	or(&l.Answer, mib)
	or(&l.Time, time.Minute)
	or(&l.Arm, 512)
	or(&l.ArmQueue, 512)
	or(&l.All, 2048)
	or(&l.AllQueue, 1024)
	or(&l.QueueTime, 5*time.Second)
	or(&l.HeaderTime, 10*time.Second)
	or(&l.Idle, 620*time.Second)
	or(&l.ServerIdle, 1500*time.Millisecond)
	or(&l.Dial, 2*time.Second)
	or(&s.Health.Every, 2*time.Second)
	or(&s.Health.Timeout, time.Second)
	or(&s.Health.Fall, 2)
	or(&s.Balance, Least)
	or(&s.Shadow.Queue, 256)
	or(&s.Shadow.Workers, 16)
	or(&s.Shadow.Age, 2*time.Second)
	or(&s.Sample.Body, 64<<10)
	or(&s.Sample.Reply, 64<<10)
	or(&s.Drain, 30*time.Second)
	for _, n := range []int64{l.Body, l.Keep, l.KeepAll, int64(l.Answer), int64(l.Time), int64(l.Arm), int64(l.ArmQueue), int64(l.All), int64(l.AllQueue),
		int64(l.QueueTime), int64(l.HeaderTime), int64(l.Idle), int64(l.ServerIdle), int64(l.Dial), int64(s.Health.Every), int64(s.Health.Timeout),
		int64(s.Health.Fall), int64(s.Shadow.Queue), int64(s.Shadow.Workers), int64(s.Shadow.Age), int64(s.Sample.Body), int64(s.Sample.Reply), int64(s.Drain)} {
		if n < 0 {
			return s, fault.New(fault.Usage, "cannot start the router: a limit of its settings is below zero")
		}
	}
	switch _, ok := jsonpart.ParsePointer(s.Compare.Pointer); {
	case !ok:
		return s, fault.New(fault.Usage, "cannot start the router: %q is no JSON pointer", s.Compare.Pointer)
	case !(s.Compare.Absolute >= 0 && s.Compare.Relative >= 0):
		return s, fault.New(fault.Usage, "cannot start the router: a tolerance is a number from 0 up")
	case s.Balance != Least && s.Balance != Round:
		return s, fault.New(fault.Usage, "cannot start the router: balance is %q, not least or round", s.Balance)
	}
	return s, nil
}

func (s Settings) rule() answer.Rule {
	pointer, _ := jsonpart.ParsePointer(s.Compare.Pointer) // complete has read it
	return answer.Rule{Pointer: pointer, Absolute: s.Compare.Absolute, Relative: s.Compare.Relative, Limit: s.Limits.Answer}
}

// Servers are those of one release, and what is known of what they serve.
type Servers struct {
	Addresses  []string        `json:"addresses"`           // host:port each
	Idempotent bool            `json:"idempotent"`          // asking twice does no harm
	H2C        bool            `json:"h2c,omitempty"`       // they speak HTTP/2 without TLS
	Signature  json.RawMessage `json:"signature,omitempty"` // of the model, as the registry has it; empty: requests are not checked
}

// Sink gets each request that was answered. It never waits, and changes nothing of what it gets.
type Sink func(Answered)

// Answered is a request to the service, and what became of it.
type Answered struct {
	ID         string // X-Request-Id
	At         time.Time
	Service    string
	Generation uint64
	Role       deploy.Role // whose answer it was; empty: of the router itself
	Key        string      // of that release
	Bucket     int         // 0 to 9999, of the word; -1: there was none
	Word       string      // the hash of the word that the bucket comes from, 16 hexadecimal digits
	Counted    bool        // false: it had no word, and the experiment does not count it
	Method     string
	Path       string
	Status     int           // 0: the connection of the client broke first
	Latency    time.Duration // from the first byte to the server to the last byte back
	Retried    string        // key of the release whose connection broke before stable answered
	Schema     Verdict
	SchemaWhy  string
	Pair       *Pair // of a request that the shadow got a copy of
	Trace      string
	Stage      string // or stages, by which a server of several has answered; empty: it has not said so

	Sampled                    bool // the bodies are here, as far as they could be kept
	Request, Reply             []byte
	RequestType, ReplyType     string
	RequestBytes, ReplyBytes   int64  // how long they were; -1: not known
	RequestCoding, ReplyCoding string // Content-Encoding
}

// Verdict of the payload check.
type Verdict string

// The verdicts.
const (
	Unchecked  Verdict = ""
	Fits       Verdict = "ok"
	BadRequest Verdict = "request" // the request does not fit, and the model never saw it
	BadAnswer  Verdict = "answer"  // the answer does not fit; it was passed on
)

// Pair is what became of the copy.
type Pair struct {
	Key    string        `json:"key"` // of the shadow
	Status int           `json:"status"`
	Result answer.Result `json:"result"`
	// Dropped: there was no comparison, because the shadow did not keep up, or stable gave no whole answer.
	Dropped bool `json:"dropped"`
}

// maxHeader bounds the header of a request: nobody has said yet who it is from, and each connection may bring one.
const maxHeader = 64 << 10

// listen gives a server what it says of clients that do wrong: nobody need see it.
func (o Options) listen(s *http.Server) *http.Server {
	s.ErrorLog = slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)
	s.ReadHeaderTimeout, s.MaxHeaderBytes = o.Settings.Limits.HeaderTime, maxHeader
	return s
}

// Run serves until ctx ends, and then until the requests under way are answered or Settings.Drain is over. A second router that is started
// on the same listeners and the same folder takes over: it gets what is said to the control socket from then on, and the first has only to
// be ended. An error means that it could not start, or that it lost a listener.
func Run(ctx context.Context, o Options) error {
	settings, err := o.Settings.complete()
	if err != nil {
		return err
	}
	o.Settings = settings
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r, err := start(ctx, o)
	if err != nil {
		return err
	}
	return r.run(ctx)
}
