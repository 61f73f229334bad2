package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// profileView is the JSON of `mlx profile`.
type profileView struct {
	Kind    string              `json:"kind"` // "profile/v1"
	Tables  []string            `json:"tables"`
	Rows    int64               `json:"rows"`
	Columns []profileColumnView `json:"columns"`
}

type profileColumnView struct {
	Name          string            `json:"name"`
	Type          string            `json:"type"`
	Scale         *int              `json:"scale"` // of a decimal
	Private       bool              `json:"private"`
	Missing       int64             `json:"missing"`
	MissingShare  float64           `json:"missing_share"`
	NaN           int64             `json:"nan"`
	PlusInf       int64             `json:"plus_inf"`
	MinusInf      int64             `json:"minus_inf"`
	Values        int64             `json:"values"` // neither missing nor NaN nor infinite
	Zeros         *int64            `json:"zeros"`
	Negatives     *int64            `json:"negatives"`
	Empty         *int64            `json:"empty"` // texts without a character
	Distinct      int64             `json:"distinct"`
	DistinctExact bool              `json:"distinct_exact"`
	Unique        string            `json:"unique"` // yes, no, or likely where it cannot be told for certain
	Constant      bool              `json:"constant"`
	Min           json.RawMessage   `json:"min"`
	Max           json.RawMessage   `json:"max"`
	Mean          *float64          `json:"mean"`
	Std           *float64          `json:"std"` // divided by n - 1
	Quantiles     []profileQuantile `json:"quantiles"`
	RankError     float64           `json:"rank_error"`
	Top           []profileTop      `json:"top"`
	TopError      int64             `json:"top_error"`
	Histogram     *profileHistogram `json:"histogram"`
	Length        *profileLength    `json:"length"` // of texts, in characters
	Looks         []string          `json:"looks"`
	column        *dataset.ProfileColumn
}

type profileQuantile struct {
	Q     float64         `json:"q"`
	Value json.RawMessage `json:"value"`
}

type profileTop struct {
	Value json.RawMessage `json:"value"`
	Count int64           `json:"count"`
	Share float64         `json:"share"` // of the rows
	text  string
}

type profileHistogram struct {
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Counts []int64 `json:"counts"` // of bins of equal width
}

type profileLength struct {
	Min  int64   `json:"min"`
	Max  int64   `json:"max"`
	Mean float64 `json:"mean"`
}

const (
	profileBins = 20
	profileTops = 10
)

func profileViewOf(tables []string, p *dataset.Profile) profileView {
	v := profileView{Kind: "profile/v1", Tables: tables, Rows: p.Rows(), Columns: []profileColumnView{}}
	for _, c := range p.Columns() {
		v.Columns = append(v.Columns, profileColumnViewOf(c))
	}
	return v
}

func profileColumnViewOf(c *dataset.ProfileColumn) profileColumnView {
	v := profileColumnView{Name: c.Name, Type: c.Type.String(), Private: c.Private, Missing: c.Missing, NaN: c.NaN, PlusInf: c.PlusInf,
		MinusInf: c.MinusInf, Values: c.Count, Distinct: c.Distinct, DistinctExact: c.DistinctExact, Unique: "no", Constant: c.Constant(),
		Quantiles: []profileQuantile{}, RankError: c.RankError, Top: []profileTop{}, TopError: c.TopError, Looks: append([]string{}, c.Looks()...),
		column: c}
	if c.Rows > 0 {
		v.MissingShare = float64(c.Missing) / float64(c.Rows)
	}
	switch {
	case c.Unique && c.UniqueCertain:
		v.Unique = "yes"
	case c.Unique:
		v.Unique = "likely"
	}
	if c.Type == dataset.Decimal {
		v.Scale = &c.Scale
	}
	if c.Private {
		return v
	}
	v.addValues(c)
	return v
}

func (v *profileColumnView) addValues(c *dataset.ProfileColumn) {
	switch {
	case c.Type >= dataset.Int && c.Type <= dataset.Decimal:
		v.Zeros, v.Negatives = &c.Zeros, &c.Negatives
		v.Mean, v.Std = finite(c.Mean()), finite(c.Std(1))
	case c.Type == dataset.Bool:
		v.Mean = finite(c.Mean())
	case c.Type >= dataset.Text:
		v.Empty = &c.Empty
		if c.Count > 0 {
			v.Length = &profileLength{c.Shortest, c.Longest, c.MeanLength}
		}
	}
	if low, high, ok := c.Range(); ok {
		v.Min, v.Max = profileJSON(c, low), profileJSON(c, high)
	}
	if c.Type.Ordered() {
		for _, q := range []float64{0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99} {
			if value, ok := c.QuantileValue(q); ok {
				v.Quantiles = append(v.Quantiles, profileQuantile{q, profileJSON(c, value)})
			}
		}
	}
	for _, top := range c.Top(profileTops) {
		if top.Count < c.TopError {
			break // that it is among the most frequent is not certain
		}
		v.Top = append(v.Top, profileTop{profileJSON(c, top.ProfileValue), top.Count, float64(top.Count) / float64(max(c.Rows, 1)), top.Text})
	}
	if h, ok := c.Histogram(profileBins); ok && !math.IsInf(h.High, 0) {
		v.Histogram = &profileHistogram{h.Low, h.High, h.Counts}
	}
}

// finite is a number that JSON can hold, or null.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// profileJSON is a value as JSON has it: a number, a truth, or text.
func profileJSON(c *dataset.ProfileColumn, v dataset.ProfileValue) json.RawMessage {
	if v.Numeric || c.Type == dataset.Bool {
		return json.RawMessage(v.Text)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v.Text); err != nil {
		return nil // a string always has a form
	}
	return bytes.TrimSpace(b.Bytes())
}

// renderProfile writes a profile in a form.
func renderProfile(form string, v profileView, p *dataset.Profile) ([]byte, error) {
	switch form {
	case "prof":
		return p.Encode()
	case "html":
		return v.html(), nil
	case "csv":
		return v.csv()
	}
	doc, err := json.MarshalIndent(v, "", "  ")
	return append(doc, '\n'), err
}

// csv is a line for each column, under a header.
func (v profileView) csv() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{"column", "type", "missing", "nan", "infinite", "distinct", "min", "q25", "median", "q75", "max", "mean", "std", "top", "top_count"}}
	for _, c := range v.Columns {
		row := append([]string{sheetText(c.Name), c.Type}, integers(c.Missing, c.NaN, c.PlusInf+c.MinusInf, c.Distinct)...)
		low, high, _ := c.column.Range()
		row = append(row, sheetValue(low), c.quantile(0.25), c.quantile(0.5), c.quantile(0.75), sheetValue(high), number(c.Mean), number(c.Std))
		if len(c.Top) > 0 {
			row = append(row, sheetValue(dataset.ProfileValue{Text: c.Top[0].text, Numeric: c.column.Type <= dataset.Decimal}), integers(c.Top[0].Count)[0])
		} else {
			row = append(row, "", "")
		}
		rows = append(rows, row)
	}
	if err := w.WriteAll(rows); err != nil {
		return nil, fault.New(fault.Internal, "cannot write a profile: %w", err)
	}
	return b.Bytes(), nil
}

// sheetValue is a value as a cell of a spreadsheet.
func sheetValue(v dataset.ProfileValue) string {
	if v.Numeric {
		return v.Text
	}
	return sheetText(v.Text)
}

func (v *profileColumnView) quantile(q float64) string {
	if !v.column.Type.Ordered() {
		return ""
	}
	value, _ := v.column.QuantileValue(q)
	return value.Text
}

// sheetText keeps a text from being taken for a formula by a spreadsheet.
func sheetText(s string) string {
	if strings.IndexAny(s, "=+-@\t\r") == 0 {
		return "'" + s
	}
	return s
}

func integers(all ...int64) []string {
	texts := make([]string, len(all))
	for i, n := range all {
		texts[i] = strconv.FormatInt(n, 10)
	}
	return texts
}

func number(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}
