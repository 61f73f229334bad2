package dataset

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"mlx/internal/fault"
)

// openFile opens one file in the format that the options, its name or its content say.
func openFile(ctx context.Context, f File, opts Options) (file, error) {
	format, err := textFormat(ctx, f, opts)
	if err != nil {
		return nil, err
	}
	switch format {
	case "csv", "tsv":
		opts.Format = format
		return openCSV(ctx, f, opts, textBlock)
	case "jsonl":
		return openLines(ctx, f, opts, textBlock)
	case "parquet":
		return openParquet(ctx, f, opts)
	}
	return nil, fault.New(fault.Usage, "cannot read %s: there is no format %q", f.Name, format).Hint("formats are csv, tsv, jsonl and parquet")
}

// textFormat is the format of a file: that of the options, else that of its name, else that of its content.
func textFormat(ctx context.Context, f File, opts Options) (string, error) {
	if opts.Format != "" {
		return opts.Format, nil
	}
	if format := formatOf(strings.TrimSuffix(f.Name, ".bz2")); format != "" {
		return format, nil
	}
	in, err := openPlain(ctx, f)
	if err != nil {
		return "", err
	}
	defer in.Close()
	start, err := in.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", in.fault(err)
	}
	if bytes.HasPrefix(start, []byte("PAR1")) && in.format == "" {
		return "parquet", nil
	}
	start = bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(start) > 0 && (start[0] == '{' || start[0] == '[') {
		return "jsonl", nil
	}
	return "csv", nil
}

// unite makes one schema of those of all files, by name, in the order in which the columns first appear.
func unite(files []file, opts Options) (Schema, error) {
	var all Schema
	for _, f := range files {
		for _, field := range f.schema() {
			i := all.Index(field.Name)
			if i < 0 {
				all = append(all, field)
				continue
			}
			all[i] = uniteField(all[i], field, opts.TimeZone != "")
		}
	}
	for _, field := range all {
		if err := agree(files, field); err != nil {
			return nil, err
		}
	}
	return all, checkSchema(files, all, opts)
}

// uniteField is the type that holds what two files hold in a column. Where there is none it is text, which only some files can give. With
// a zone, naive times are read in it.
func uniteField(a, b Field, zone bool) Field {
	if b.Type == Null || sameType(a, b) || holds(a, b, zone) {
		return a
	}
	if a.Type == Null || holds(b, a, zone) {
		return b
	}
	if a.Type == Decimal && b.Type == Decimal && a.Scale == b.Scale {
		a.Wide = true
		return a
	}
	return Field{Name: a.Name, Type: Text, Why: firstPlace(b.Why, a.Why)}
}

// holds says whether a type holds what a narrower one does.
func holds(wide, narrow Field, zone bool) bool {
	switch wide.Type {
	case Uint:
		return narrow.Type == Int // of unsigned numbers those that happen to be small
	case Float:
		return narrow.Type == Int || narrow.Type == Uint || narrow.Type == Decimal
	case Decimal:
		return narrow.Type == Int && wide.Scale == 0 && wide.Wide
	case Time:
		return narrow.Type == Date && (wide.Naive || zone) // a date is its midnight
	default:
		return false
	}
}

func firstPlace(places ...*Place) *Place {
	for _, p := range places {
		if p != nil {
			return p
		}
	}
	return nil
}

func sameType(a, b Field) bool {
	return a.Type == b.Type && a.Scale == b.Scale && a.Naive == b.Naive && a.Wide == b.Wide
}

// agree checks that every file that has a column can be read as the type that the table gives to it.
func agree(files []file, to Field) error {
	for _, f := range files {
		s := f.schema()
		i := s.Index(to.Name)
		if i < 0 || sameType(s[i], to) || s[i].Type == Null {
			continue
		}
		if w, ok := f.(interface{ widens(have, to Field) bool }); ok && w.widens(s[i], to) {
			continue
		}
		for _, other := range files {
			if k := other.schema().Index(to.Name); k >= 0 && other != f && !sameType(other.schema()[k], s[i]) {
				return contradiction(f, s[i], other, other.schema()[k])
			}
		}
		return fault.New(fault.Usage, "cannot read %s: column %q is %s, and %s is asked for", f.name(), to.Name, typeText(s[i]), typeText(to))
	}
	return nil
}

func contradiction(a file, as Field, b file, bs Field) error {
	return fault.New(fault.Usage, "cannot read %s with %s as one table: column %q is %s in the first and %s in the second",
		a.name(), b.name(), as.Name, typeText(as), typeText(bs))
}

// checkSchema holds a table against the schema that the user gave.
func checkSchema(files []file, all Schema, opts Options) error {
	for _, want := range opts.Schema {
		if all.Index(want.Name) >= 0 {
			continue
		}
		err := fault.New(fault.Usage, "cannot read %s: it has no column %q, which the schema names", files[0].name(), want.Name)
		if near := fault.Nearest(want.Name, all.Names()); near != "" {
			return err.Hint("did the schema mean %q?", near)
		}
		return err.Hint("its columns are %s", strings.Join(all.Names(), ", "))
	}
	if !opts.Exact {
		return nil
	}
	for _, have := range all {
		if opts.Schema.Index(have.Name) < 0 {
			return fault.New(fault.Usage, "cannot read %s: it has a column %q, which the schema does not name", files[0].name(), have.Name)
		}
	}
	return nil
}
