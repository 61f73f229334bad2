package gate

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// commandAsker asks a command: CSV with a header in, CSV with a column score or class out.
type commandAsker struct {
	session *session
	about   Subject
	rule    Rule
}

func (c *commandAsker) ask(ctx context.Context, rows *askFrame) ([]answer, error) {
	m := c.session.spec.Model
	in, err := rows.csv()
	if err != nil {
		return nil, err
	}
	rule := Rule{At: c.session.spec.At} // the model is written in the gate that asks, wherever the rule is from
	reply, err := c.session.call(ctx, c.about, rule, Call{Command: m.Command, Stdin: in, Timeout: m.Timeout})
	if err != nil {
		return nil, err
	}
	if reply.Status != 0 {
		return nil, refused("%s", endedBadly(strconv.Quote(m.Command), reply))
	}
	return parseCSVAnswers(reply.Stdout)
}

// csv writes the rows as CSV. A missing value is an empty word.
func (f *askFrame) csv() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	record := make([]string, len(f.columns))
	for i := range f.columns {
		record[i] = f.columns[i].Name
	}
	if err := w.Write(record); err != nil {
		return nil, err
	}
	for row := range f.rows {
		for i := range f.columns {
			record[i] = f.columns[i].text(row)
		}
		if len(record) == 1 && record[0] == "" {
			w.Flush()
			b.WriteString("\"\"\n") // an empty line would be no row
			continue
		}
		if err := w.Write(record); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// parseCSVAnswers reads the column score, else class, else the only one.
func parseCSVAnswers(text []byte) ([]answer, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	r.ReuseRecord = true
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, refused("it printed nothing")
	}
	if err != nil {
		return nil, refused("what it printed is no CSV: %w", err)
	}
	column, words, err := answerColumn(head)
	if err != nil {
		return nil, err
	}
	var all []answer
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, refused("what it printed is no CSV: %w", err)
		}
		a, err := parseAnswer(record[column], words)
		if err != nil {
			return nil, refused("row %d: %w", len(all)+1, err)
		}
		all = append(all, a)
	}
}

// answerColumn finds the column of the answers. words says that they are classes whatever they look like.
func answerColumn(head []string) (column int, words bool, err error) {
	column = -1
	for i, name := range head {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "score":
			return i, false, nil
		case "class":
			column, words = i, true
		}
	}
	if column < 0 && len(head) == 1 {
		if _, err := strconv.ParseFloat(head[0], 64); err != nil { // a number is no heading
			column = 0
		}
	}
	if column < 0 {
		return 0, false, refused("it printed the columns %s, none of them score or class", list(head))
	}
	return column, words, nil
}

func parseAnswer(text string, word bool) (answer, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return answer{number: math.NaN()}, nil
	}
	if !word {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return answer{}, fmt.Errorf("%.40q is no number", text)
		}
		return answer{number: v}, nil
	}
	return answer{word: text, isWord: true}, nil
}

// classText writes a number as the name of a class: 1.0 and 1 are one class.
func classText(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
