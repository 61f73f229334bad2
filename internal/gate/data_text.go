package gate

import (
	"context"
	"fmt"
	"regexp"
	"unicode/utf8"

	"mlx/internal/dataset"
)

// planRegex holds that a pattern matches every value as a whole. Values that are no text are matched as they are written.
func planRegex(_ context.Context, f *dataFrame, c dataColumn) (dataJudge, error) {
	pattern, err := f.pattern(c.rule, "regex", `\A(?:`+c.rule.Regex+`)\z`, c.rule.Regex)
	if err != nil {
		return nil, err
	}
	words := dataCut(c.rule.Regex)
	return f.judgeRows(c, "not like "+words, "like "+words, func(b *dataBatch, bad dataset.Bits) {
		markTexts(&b.Columns[c.at], b.Rows, bad, func(v []byte) bool { return !pattern.Match(v) })
	})
}

// planNotRegex holds that no value contains a pattern.
func planNotRegex(_ context.Context, f *dataFrame, c dataColumn) (dataJudge, error) {
	pattern, err := f.pattern(c.rule, "not_regex", c.rule.NotRegex, c.rule.NotRegex)
	if err != nil {
		return nil, err
	}
	words := dataCut(c.rule.NotRegex)
	is := "matched by " + words
	return f.judgeRows(c, is, "without "+words, func(b *dataBatch, bad dataset.Bits) {
		markTexts(&b.Columns[c.at], b.Rows, bad, pattern.Match)
	})
}

// pattern compiles an expression, whose length is bounded so that its program is.
func (f *dataFrame) pattern(r Rule, key, text, written string) (*regexp.Regexp, error) {
	const longest = 10_000
	if len(written) > longest {
		return nil, f.session.wrong(r, "%s: is longer than %d characters", key, longest)
	}
	if _, err := regexp.Compile(written); err != nil { // of the pattern alone, so that it cannot close the brackets around it
		return nil, f.session.wrong(r, "%s: %v", key, err).Hint("patterns are those of RE2: no look-ahead and no back-references")
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, f.session.wrong(r, "%s: %v", key, err)
	}
	return compiled, nil
}

// planLength holds the number of characters of every value between limits.
func planLength(_ context.Context, f *dataFrame, c dataColumn) (dataJudge, error) {
	r := c.rule
	low, high := 0, int(^uint(0)>>1)
	words := ""
	switch {
	case r.MinLength == nil:
		words = "at most " + r.MaxLength.Text
	case r.MaxLength == nil:
		words = "at least " + r.MinLength.Text
	default:
		words = r.MinLength.Text + " to " + r.MaxLength.Text
	}
	if r.MinLength != nil && r.MaxLength != nil && r.MinLength.Value == r.MaxLength.Value {
		words = r.MinLength.Text
	}
	for _, b := range []*Bound{r.MinLength, r.MaxLength} {
		if b != nil && (b.Value < 0 || b.Value != float64(int64(b.Value)) || b.Unit != "" || b.Value > 1<<40) {
			return nil, f.session.wrong(r, "%s is no number of characters", b.Text)
		}
	}
	if r.MinLength != nil {
		low = int(r.MinLength.Value)
	}
	if r.MaxLength != nil {
		high = int(r.MaxLength.Value)
	}
	is := fmt.Sprintf("not %s characters long", words)
	return f.judgeRows(c, is, words+" characters", func(b *dataBatch, bad dataset.Bits) {
		column := &b.Columns[c.at]
		count := utf8.RuneCount
		if column.Type == dataset.Bytes {
			count = func(v []byte) int { return len(v) }
		}
		markTexts(column, b.Rows, bad, func(v []byte) bool {
			n := count(v)
			return n < low || n > high
		})
	})
}

// planNulls holds the share of missing values.
func planNulls(_ context.Context, f *dataFrame, c dataColumn) (dataJudge, error) {
	j, err := f.newRowJudge(c.rule, c.title, []int{c.at})
	if err != nil {
		return nil, err
	}
	j.is, j.share = "missing", c.rule.Nulls
	j.needs = "at most " + dataShare(*c.rule.Nulls) + " missing"
	if *c.rule.Nulls == 0 {
		j.needs = "none missing"
	}
	j.mark = func(b *dataBatch, bad, _ dataset.Bits) error {
		dataUnion(bad, b.Columns[c.at].Missing)
		return nil
	}
	return j, nil
}

// planOrder holds the rows in the order of a column.
func planOrder(_ context.Context, f *dataFrame, c dataColumn) (dataJudge, error) {
	if !c.Type.Ordered() && c.Type != dataset.Text && c.Type != dataset.Null {
		return nil, f.unfit(c, "column %q is %s, which has no order", c.Name, c.Type)
	}
	rows, err := f.judgeRows(c, "out of order", dataOrders(c.rule.Order)+" rows", func(*dataBatch, dataset.Bits) {})
	if err != nil {
		return nil, err
	}
	o, ok := orderOf(c.rule.Order)
	if !ok {
		return nil, f.session.wrong(c.rule, "order: %q is not known", c.rule.Order).Hint("increasing, decreasing, strictly_increasing, strictly_decreasing")
	}
	return &orderJudge{rows: rows, at: c.at, order: o}, nil
}
