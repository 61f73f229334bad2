package tracking

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mlx/internal/run"
)

// names are those of the runs in an answer, in order.
func names(text string) string {
	var all []string
	for rest := text; ; {
		var ok bool
		if _, rest, ok = strings.Cut(rest, `"run_name":"`); !ok {
			return strings.Join(all, " ")
		}
		name, _, _ := strings.Cut(rest, `"`)
		all = append(all, name)
	}
}

func newSearched(t *testing.T) *bench {
	b := newBench(t)
	for i, batch := range []string{
		`"params": [{"key": "lr", "value": "0.1"}, {"key": "opt", "value": "Adam"}], "metrics": [{"key": "acc", "value": 0.5, "timestamp": 1}, {"key": "val loss", "value": 3, "timestamp": 1}], "tags": [{"key": "team.name", "value": "x"}]`,
		`"params": [{"key": "lr", "value": "0.2"}], "metrics": [{"key": "acc", "value": 0.9, "timestamp": 1}], "tags": [{"key": "team.name", "value": "it's"}]`,
		`"params": [{"key": "lr", "value": "0.1"}, {"key": "opt", "value": "adamw"}], "metrics": [{"key": "acc", "value": "NaN", "timestamp": 1}]`,
		`"tags": [{"key": "a b", "value": "100%"}]`,
	} {
		id := b.create(fmt.Sprintf(`{"run_name": "r%d", "start_time": %d, "user_id": "u%d"}`, i, 1000+i, i))
		b.post("runs/log-batch", `{"run_id": "`+id+`", `+batch+`}`)
		if i == 0 {
			b.post("runs/log-inputs", `{"run_id": "`+id+`", "datasets": [{"tags": [{"key": "mlflow.data.context", "value": "train"}], "dataset": {"name": "iris", "digest": "abc", "source_type": "code", "source": "{}"}}]}`)
		}
		if i%2 == 0 {
			b.post("runs/update", `{"run_id": "`+id+`", "status": "FINISHED", "end_time": `+strconv.Itoa(2000+i)+`}`)
		}
	}
	return b
}

func TestSearch(t *testing.T) {
	b := newSearched(t)
	for _, c := range []struct{ filter, want string }{
		{"", "r3 r2 r1 r0"},
		{"metrics.acc > 0.4", "r1 r0"},
		{"metric.acc >= 0.9 AND params.lr != '0.1'", "r1"},
		{"metrics.`val loss` = 3", "r0"},
		{`metrics."val loss" <= 3.0`, "r0"},
		{"params.opt LIKE 'ad%'", "r2"},
		{"param.opt ILIKE 'ad%'", "r2 r0"},
		{"parameters.opt ILIKE '_dam'", "r0"},
		{"params.opt IS NULL", "r3 r1"},
		{"tags.`team.name` IS NOT NULL", "r1 r0"},
		{"tags.team.name = \"it's\"", "r1"},
		{"tag.`a b` = '100%'", "r3"},
		{"params.lr != '0.1'", "r1"},
		{"status = 'FINISHED'", "r2 r0"},
		{"attributes.status != 'FINISHED' and run_name LIKE 'r%'", "r3 r1"},
		{"attr.`Run name` = 'r1'", "r1"},
		{"run.user_id = 'u2'", "r2"},
		{"start_time >= 1002", "r3 r2"},
		{"created < 1001", "r0"},
		{"end_time > 0", "r2 r0"},
		{"datasets.name = 'iris' and dataset.context IN ('train', 'test')", "r0"},
		{"datasets.digest NOT IN ('abc')", ""},
		{"metrics.acc != 0.5", "r2 r1"},
		{"tags.mlflow.runName = 'r3'", "r3"},
	} {
		got := names(b.post("runs/search", `{"experiment_ids": ["0"], "filter": `+strconv.Quote(c.filter)+`}`))
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.filter, got, c.want)
		}
	}
	for _, c := range []struct{ order, want string }{
		{`"metrics.acc ASC"`, "r0 r1 r2 r3"},
		{`"metrics.acc DESC"`, "r1 r0 r2 r3"},
		{"\"params.`lr` desc\", \"start_time asc\"", "r1 r0 r2 r3"},
		{`"attributes.start_time ASC"`, "r0 r1 r2 r3"},
		{`"run_name DESC"`, "r3 r2 r1 r0"},
		{`"tags.team.name"`, "r1 r0 r3 r2"},
		{`"end_time"`, "r0 r2 r3 r1"},
	} {
		if got := names(b.post("runs/search", `{"experiment_ids": ["0"], "order_by": [`+c.order+`]}`)); got != c.want {
			t.Errorf("order %s: %s, want %s", c.order, got, c.want)
		}
	}
	if got := b.post("runs/search", `{"experiment_ids": ["0"], "filter": "metrics.acc > 7"}`); got != "{}" {
		t.Errorf("none: %s", got)
	}
	if got := b.post("runs/search", `{}`); got != "{}" {
		t.Errorf("in no experiment: %s", got)
	}
}

func TestPages(t *testing.T) {
	b := newSearched(t)
	for _, order := range []string{"", `, "order_by": ["metrics.acc DESC"]`} {
		all := names(b.post("runs/search", `{"experiment_ids": ["0"]`+order+`}`))
		var got []string
		token := ""
		for range 5 {
			page := b.post("runs/search", `{"experiment_ids": ["0"], "max_results": 1, "page_token": "`+token+`"`+order+`}`)
			got = append(got, names(page))
			if !strings.Contains(page, "next_page_token") {
				break
			}
			token = between(t, page, `"next_page_token":"`, `"`)
		}
		if strings.Join(got, " ") != all {
			t.Errorf("pages %v, want %s", got, all)
		}
	}
}

func TestSearchSeesWhatOthersRecord(t *testing.T) {
	b := newSearched(t)
	b.restart(func(*Options) {})
	ask := `{"experiment_ids": ["0"], "filter": "run_name LIKE 'other%'"}`
	if got := b.post("runs/search", ask); got != "{}" {
		t.Fatal(got)
	}
	other := &bench{T: t, dir: b.dir}
	other.open(func(*Options) {})
	id := other.create(`{"run_name": "other"}`)
	if got := names(b.post("runs/search", ask)); got != "other" {
		t.Errorf("a run that began: %q", got)
	}
	other.post("runs/update", `{"run_id": "`+id+`", "status": "FAILED"}`)
	if got := b.post("runs/search", ask); !strings.Contains(got, `"status":"FAILED"`) {
		t.Errorf("a run that ended: %s", got)
	}
}

// TestFirstOfMany holds that few and many wanted hits are the same beginning of one order.
func TestFirstOfMany(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		order := []ordering{{kind: "metric", key: "a", number: true, descending: random.IntN(2) == 0}}
		var hits []hit
		for at := range 300 {
			hits = append(hits, hit{row: &row{start: int64(at)}, at: at, one: numberKey(float64(random.IntN(20)), random.IntN(5) > 0)})
		}
		all := first{want: 300, order: order}
		few := first{want: 1 + random.IntN(fewWanted), order: order}
		for _, h := range hits {
			all.add(h)
			few.add(h)
		}
		if want := all.rows()[:few.want]; !slices.Equal(few.rows(), want) {
			t.Fatalf("the first %d differ", few.want)
		}
	}
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"%", "", true}, {"a%c", "abbc", true}, {"a%c", "abbd", false}, {"_", "é", true}, {"%a%b%", "xxaxxbxx", true},
		{"a", "ab", false}, {"%" + strings.Repeat("a%", 50), strings.Repeat("a", 49), false},
	} {
		if got := newPattern(c.pattern, false).match(c.text); got != c.want {
			t.Errorf("%q LIKE %q: %v", c.text, c.pattern, got)
		}
	}
}

func testBody() *run.Body {
	return &run.Body{
		Name: "n", Params: map[string]any{"x": 1.0}, Metrics: map[string]any{"val loss": 0.5},
		Tracking: &run.Tracking{Tags: map[string]string{"a b": "c"}, Datasets: []run.Dataset{{Name: "d"}}},
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"metrics.`val loss` >= 1e-3 and tags.\"a b\" != 'it''s'", "run_id IN ('a', 'b')", "params.x is not null AND status = \"FINISHED\"", "created > -1.5"} {
		f.Add(s)
	}
	r := rowOf([32]byte{}, testBody(), "ana")
	find := runSearch{places: &places{&experiments{names: map[string][]tenure{}}, map[string]whereabouts{}}}
	f.Fuzz(func(t *testing.T, text string) {
		where, err := parseFilter(text, runGrammar())
		if err != nil && failure(err).Code != InvalidParameterValue {
			t.Fatalf("%q: %v", text, err)
		}
		for i := range where {
			find.meets(r, &where[i])
		}
		if _, err := parseOrder(text, runGrammar()); err != nil && failure(err).Code != InvalidParameterValue {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// FuzzBatch holds that no request for a batch is answered as if the fault were ours, and that what is taken is what was sent.
func FuzzBatch(f *testing.F) {
	f.Add(`{"run_id": "a", "metrics": [{"key": "a", "value": "NaN", "timestamp": "1", "step": 2.0}], "params": [{"key": "a", "value": "b"}], "tags": [{"key": "t"}]}`)
	f.Add(`{"metrics": [{"key": "a", "value": 1e999, "timestamp": 1}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var q batchRequest
		c := &call{body: []byte(text)}
		err := c.into(&q)
		if err == nil {
			_, err = batch(q.Metrics, q.Params, q.Tags)
		}
		if err != nil && failure(err).Code != InvalidParameterValue {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
