package drift

import (
	"context"
	"math"
	"slices"
	"time"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// LabelsAdded is the kind of record that keeps outcomes which became known. Of an id that several records label the later one counts.
var LabelsAdded = lineage.Define[Labels]("label.added/v1")

// Labels is what one table of outcomes brought: the body of a record. The labels themselves are the version Kept: a CSV with the columns
// id and label, as texts.
type Labels struct {
	Monitor string        `json:"monitor"`
	Kept    object.Digest `json:"kept"`
	Source  gate.Ref      `json:"source"` // what was typed
	ID      string        `json:"id_column"`
	Label   string        `json:"label_column"`
	LabelCounts
}

// LabelCounts says what became of the rows of a table of outcomes. New, Corrected and Repeated count ids; so do Matched and Unknown, which
// are absent where the predictions cannot be read.
type LabelCounts struct {
	Rows       int64 `json:"rows"`
	Empty      int64 `json:"empty"`      // rows without an outcome
	Duplicates int64 `json:"duplicates"` // rows that say again what a row of the same table says
	New        int64 `json:"new"`        // had no label
	Corrected  int64 `json:"corrected"`  // had another one, which counts no longer
	Repeated   int64 `json:"repeated"`   // had the same

	Matched     *int64     `json:"matched,omitempty"`
	Unknown     *int64     `json:"unknown,omitempty"` // no prediction has the id; it is kept for one that may come
	Predictions *int64     `json:"predictions,omitempty"`
	Missing     *int64     `json:"missing,omitempty"` // predictions that have no label now
	Oldest      *time.Time `json:"oldest,omitempty"`  // of the matched predictions
	Newest      *time.Time `json:"newest,omitempty"`
	Age         *float64   `json:"median_age_s,omitempty"` // of the matched predictions when the labels were added, to the hour
}

// Changed says whether the table brought anything.
func (c LabelCounts) Changed() bool { return c.New+c.Corrected > 0 }

// Labelling is a table of outcomes to add, and what is known already.
type Labelling struct {
	Added       LabelTable
	Known       []LabelTable // the later the more they count
	Predictions *Predictions // nil: they cannot be read
	At          time.Time
	Each        func(id, label []byte) error // is told every row with an outcome, in order
}

// Count joins the table with what is known. Two rows of it that contradict each other are an error that names both.
func (l Labelling) Count(ctx context.Context, o LabelOptions) (c LabelCounts, err error) {
	j := newLabelJoin(o)
	defer j.close()
	if p := l.Predictions; p != nil {
		n, err := j.predictions(ctx, p.Source, labelColumns{id: p.ID, label: p.Label, time: p.Time})
		if err != nil {
			return c, err
		}
		c.Predictions, c.Matched, c.Unknown, c.Missing = &n, new(int64), new(int64), new(int64)
	}
	for _, known := range l.Known {
		if _, _, err := j.labels(ctx, known, nil); err != nil {
			return c, err
		}
	}
	if c.Rows, c.Empty, err = j.labels(ctx, l.Added, l.Each); err != nil {
		return c, err
	}
	var ages labelAges
	contradiction := [2]int64{math.MaxInt64}
	err = j.groups(ctx, func(of []labelEntry) error {
		l.count(of, j.rank, &c, &ages, &contradiction)
		return nil
	})
	if err != nil {
		return c, err
	}
	if contradiction[0] != math.MaxInt64 {
		return c, l.contradicts(ctx, contradiction)
	}
	ages.put(&c, l.At)
	return c, nil
}

// count takes what was said of one id.
func (l Labelling) count(of []labelEntry, last uint32, c *LabelCounts, ages *labelAges, contradiction *[2]int64) {
	fresh, _ := slices.BinarySearchFunc(of, last, func(e labelEntry, rank uint32) int { return int(e.rank) - int(rank) })
	said, before := of[fresh:], labelIn(of[:fresh])
	for i := 1; i < len(said); i++ {
		c.Duplicates++
		if string(said[i].text) != string(said[0].text) && said[i].row < (*contradiction)[0] {
			*contradiction = [2]int64{said[i].row, said[0].row}
		}
	}
	predicted := 0
	for predicted < len(of) && of[predicted].rank == 0 {
		predicted++
	}
	if len(said) == 0 {
		if c.Missing != nil && before == nil {
			*c.Missing += int64(predicted)
		}
		return
	}
	switch {
	case before == nil:
		c.New++
	case string(before) != string(said[0].text):
		c.Corrected++
	default:
		c.Repeated++
	}
	if c.Matched == nil {
		return
	}
	if predicted == 0 {
		*c.Unknown++
		return
	}
	*c.Matched++
	for _, e := range of[:predicted] {
		ages.add(e.at, l.At)
	}
}

// labelIn is the label that counts among what was said of an id; nil when there is none.
func labelIn(of []labelEntry) []byte {
	for i := len(of) - 1; i >= 0; i-- {
		if of[i].text != nil {
			return of[i].text
		}
	}
	return nil
}

// contradicts names the two rows of a table that give one id two labels.
func (l Labelling) contradicts(ctx context.Context, rows [2]int64) error {
	var places [2]string
	var id string
	var labels [2]string
	err := Source{Table: l.Added.Table}.eachRow(ctx, []string{l.Added.ID, l.Added.Label}, func(b *dataset.Batch, i int, row int64) error {
		if k := slices.Index(rows[:], row); k >= 0 {
			id, labels[k] = string(cellText(nil, &b.Columns[0], i)), string(cellText(nil, &b.Columns[1], i))
			places[k] = placeOf(row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return fault.New(fault.Usage, "cannot add the labels of %s: %s %s is %s in %s and %s in %s", l.Added.Name, l.Added.ID, quoted(id), quoted(labels[1]),
		places[1], quoted(labels[0]), places[0]).Hint("one id has one outcome: remove one of both rows")
}

// labelAges are how old predictions were when their labels came, counted by the hour: exact enough for months, and small.
type labelAges struct {
	hours          map[int64]int64
	n              int64
	oldest, newest float64
}

func (a *labelAges) add(at float64, now time.Time) {
	if math.IsNaN(at) || math.IsInf(at, 0) {
		return
	}
	if a.hours == nil {
		a.hours, a.oldest, a.newest = map[int64]int64{}, at, at
	}
	a.oldest, a.newest = min(a.oldest, at), max(a.newest, at)
	a.n++
	hour := int64(math.Floor((float64(now.Unix()) - at) / 3600))
	if _, known := a.hours[hour]; known || len(a.hours) < 1<<20 {
		a.hours[hour]++
	}
}

func (a *labelAges) put(c *LabelCounts, now time.Time) {
	if a.n == 0 {
		return
	}
	oldest, newest := timeOf(a.oldest), timeOf(a.newest)
	c.Oldest, c.Newest = &oldest, &newest
	hours := make([]int64, 0, len(a.hours))
	for h := range a.hours {
		hours = append(hours, h)
	}
	slices.Sort(hours)
	var seen int64
	for _, h := range hours {
		if seen += a.hours[h]; 2*seen >= a.n {
			age := float64(h * 3600)
			c.Age = &age
			return
		}
	}
}

func timeOf(seconds float64) time.Time {
	whole := math.Floor(seconds)
	return time.Unix(int64(whole), int64((seconds-whole)*1e9)).UTC()
}

// The columns of kept labels.
const (
	KeptID    = "id"
	KeptLabel = "label"
)

// KeptLabels is how kept labels are read: as the texts that they are.
func KeptLabels() dataset.Options {
	return dataset.Options{Format: "csv", Comma: ',', Nulls: []string{labelNull},
		Schema: dataset.Schema{{Name: KeptID, Type: dataset.Text}, {Name: KeptLabel, Type: dataset.Text}}}
}
