package drift

import "strings"

// Hide takes the values of private columns out of an answer: it says how far they are from their reference, and how many are missing, and
// nothing of what they are.
func (a *Answer) Hide(private func(column string) bool) {
	for i := range a.Columns {
		if c := &a.Columns[i]; private(c.Name) {
			c.hide()
		}
	}
}

func (c *Column) hide() {
	for _, s := range []*Summary{&c.Reference, &c.Current} {
		s.Mean, s.Std, s.Min, s.Median, s.Max, s.Top = nil, nil, nil, nil, nil, ""
	}
	c.Bins.Edges, c.Bins.Atoms, c.Bins.Categories = nil, nil, nil
	for word, said := range map[string]string{"constant": "constant", "most of the reference is": "most of the reference is one value: one bin"} {
		if strings.HasPrefix(c.Why, word) {
			c.Why = said
		}
	}
	switch {
	case c.Verdict == CannotTell:
		c.Text = c.Why
	case c.Method == Missing: // says shares only
	case c.Value == nil:
		c.Text = "private"
	case c.Method == Unseen:
		c.Text = "values that the reference does not have, " + shareText(*c.Value) + " of the rows"
	default:
		c.Text = "private, " + c.effectText()
	}
}

// effectText is the first effect of a column that says how far its values are from their reference.
func (c *Column) effectText() string {
	for _, m := range c.Measures {
		if m.Value != nil && m.Method != Missing && m.Method != Unseen && m.Method != Unit {
			return methodName(m.Method) + " " + twoDigits(*m.Value)
		}
	}
	return methodName(c.Method) + " " + twoDigits(*c.Value)
}
