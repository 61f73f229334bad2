package run

import (
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// maxStarted bounds the first record of a run, so that the second, which repeats it, has room for what came out.
const maxStarted = object.MaxBytes * 2 / 3

// fit makes the body one that a record can hold, before anything runs: text that is not UTF-8, as file names and
// arguments may be, is kept readable but not exact, and too much of it is refused.
func (b *Body) fit() error {
	b.Folder, b.Name, b.Experiment = text(b.Folder), text(b.Name), text(b.Experiment)
	b.Code.Branch = text(b.Code.Branch)
	b.Command, b.Outs, b.Code.Untracked = texts(b.Command), texts(b.Outs), texts(b.Code.Untracked)
	b.Code.fit()
	if b.Because != nil {
		b.Because = &Because{Kind: b.Because.Kind, ID: b.Because.ID, Text: text(b.Because.Text)}
	}
	data := make([]Data, len(b.Data))
	for i, d := range b.Data {
		data[i] = Data{Path: text(d.Path), Root: d.Root, Kind: d.Kind}
	}
	params := make(map[string]any, len(b.Params))
	for key, value := range b.Params {
		if s, ok := value.(string); ok {
			value = text(s)
		}
		params[text(key)] = value
	}
	b.Data, b.Params = data, params
	encoded, err := object.Encode(b)
	if err != nil {
		return fault.New(fault.Usage, "cannot start the run: %w", err)
	}
	if len(encoded) > maxStarted {
		return fault.New(fault.Usage, "cannot start the run: command and parameters have %d bytes, more than the %d that a record holds",
			len(encoded), maxStarted).Hint("put them into a file, and that into git or under -d")
	}
	return nil
}

func text(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

func texts(all []string) []string {
	if all == nil {
		return nil
	}
	clean := make([]string, len(all))
	for i, s := range all {
		clean[i] = text(s)
	}
	return clean
}
