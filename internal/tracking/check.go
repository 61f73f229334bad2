package tracking

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"mlx/internal/run"
)

// Limits of the dialect, in characters where they are about text.
const (
	maxKey        = 250
	maxParam      = 6000
	maxTag        = 8000
	maxMetrics    = 1000 // in one batch
	maxParams     = 100
	maxTags       = 100
	maxEntities   = 1000
	maxExperiment = 500
	maxExpTag     = 20000
	maxDatasets   = 1000
)

const (
	badCharacters = "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)."
	badPath       = "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name would resolve to "
	seeDocs       = " See the API docs for more information about request parameters."
)

func invalid(format string, args ...any) error { return failf(InvalidParameterValue, format, args...) }

func missing(what string) error {
	return invalid("Missing value for required parameter '%s'.%s", what, seeDocs)
}

// checkName holds the name of a metric, parameter or tag to what the dialect allows.
func checkName(name, where string) error {
	for _, c := range name {
		if !unicode.IsLetter(c) && !unicode.IsNumber(c) && !strings.ContainsRune("/_.- :", c) {
			return invalid("Invalid value %s for parameter '%s' supplied: %s", quoted(name), where, badCharacters)
		}
	}
	norm := path.Clean(name)
	if norm != name || norm == "." || strings.HasPrefix(norm, "..") || strings.HasPrefix(norm, "/") {
		return invalid("Invalid value %s for parameter '%s' supplied: %s'%s'", quoted(name), where, badPath, clip(norm))
	}
	return nil
}

func checkLength(what string, limit int, text string) error {
	if len(text) > limit && utf8.RuneCountInString(text) > limit {
		return invalid("'%s' exceeds the maximum length of %d characters", what, limit)
	}
	return nil
}

// cut shortens a value to so many characters, as the dialect does without a word.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	n := 0
	for i := range text {
		if n == limit {
			return text[:i]
		}
		n++
	}
	return text
}

// metric is one point of a request.
type metric struct {
	Key     *string `json:"key"`
	Value   *real   `json:"value"`
	Time    *whole  `json:"timestamp"`
	Step    whole   `json:"step"`
	Model   string  `json:"model_id"`
	Dataset string  `json:"dataset_name"`
	Digest  string  `json:"dataset_digest"`
}

func (m *metric) read(where string) (run.TrackedMetric, error) {
	switch {
	case m.Key == nil:
		return run.TrackedMetric{}, missing(where + "key")
	case m.Value == nil:
		return run.TrackedMetric{}, missing(where + "value")
	case m.Time == nil:
		return run.TrackedMetric{}, missing(where + "timestamp")
	}
	if err := checkName(*m.Key, where+"name"); err != nil {
		return run.TrackedMetric{}, err
	}
	if *m.Time < 0 {
		return run.TrackedMetric{}, invalid("Invalid value %d for parameter '%stimestamp' supplied: metric '%s' (value=%v). "+
			"Timestamp must be a nonnegative long (64-bit integer) ", *m.Time, where, *m.Key, float64(*m.Value))
	}
	if err := checkLength("Metric name", maxKey, *m.Key); err != nil {
		return run.TrackedMetric{}, err
	}
	return run.TrackedMetric{
		Key: *m.Key, Value: float64(*m.Value), Time: int64(*m.Time), Step: int64(m.Step),
		Model: cut(m.Model, maxKey), Dataset: cut(m.Dataset, maxExperiment), Digest: cut(m.Digest, maxKey),
	}, nil
}

// pair is a parameter or a tag of a request.
type pair struct {
	Key   *string `json:"key"`
	Value *string `json:"value"`
}

func (p *pair) text() string {
	if p.Value == nil {
		return ""
	}
	return *p.Value
}

func (p *pair) param(where string) (run.TrackedParam, error) {
	if p.Key == nil {
		return run.TrackedParam{}, missing(where + "key")
	}
	if err := checkName(*p.Key, where+"key"); err != nil {
		return run.TrackedParam{}, err
	}
	if err := checkLength("Param key", maxKey, *p.Key); err != nil {
		return run.TrackedParam{}, err
	}
	return run.TrackedParam{Key: *p.Key, Value: cut(p.text(), maxParam)}, nil
}

func (p *pair) tag(where string) (run.TrackedTag, error) {
	if p.Key == nil {
		return run.TrackedTag{}, missing(where + "key")
	}
	if err := checkName(*p.Key, where+"key"); err != nil {
		return run.TrackedTag{}, err
	}
	if err := checkLength(where+"key", maxKey, *p.Key); err != nil {
		return run.TrackedTag{}, err
	}
	value := cut(p.text(), maxTag)
	return run.TrackedTag{Key: *p.Key, Value: &value}, nil
}

// atMost refuses more of something than one request may have.
func atMost(limit int, what string, n int) error {
	if n <= limit {
		return nil
	}
	return invalid("A batch logging request can contain at most %d %s. Got %d %s. Please split up %s across multiple requests and try again.",
		limit, what, n, what, what)
}
