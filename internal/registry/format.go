package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxDescribed is how much is read of a file that describes a model.
const maxDescribed = 1 << 20

// Known is what the files of a model say about it.
type Known struct {
	Format    string          // pickle, torch, onnx, sklearn, …; empty when nobody knows
	Signature json.RawMessage // {"inputs": …, "outputs": …}; nil when it states none
}

// Look finds out the format of a model: a folder by the MLmodel file of MLflow or by the files that frameworks write, a single
// file by its first bytes and its name. What it cannot read it does not know: that is no error.
func Look(files fs.FS) Known {
	entries, err := fs.ReadDir(files, ".")
	if err != nil || len(entries) == 0 {
		return Known{}
	}
	if text, err := readStart(files, "MLmodel", maxDescribed); err == nil {
		return readMLmodel(string(text))
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	for _, mark := range [][2]string{
		{"saved_model.pb", "tensorflow"}, {"model.safetensors.index.json", "safetensors"}, {"model.safetensors", "safetensors"},
		{"pytorch_model.bin", "torch"}, {"adapter_model.safetensors", "safetensors"}, {"metadata.json", ""},
	} {
		if mark[1] != "" && slices.Contains(names, mark[0]) {
			return Known{Format: mark[1]}
		}
	}
	found := map[string]bool{}
	for _, e := range entries {
		if e.Type().IsRegular() || e.Type() == 0 && !e.IsDir() {
			if f := fileFormat(files, e.Name()); f != "" {
				found[f] = true
			}
		}
	}
	if len(found) != 1 { // several: it is none of them
		return Known{}
	}
	for f := range found {
		return Known{Format: f}
	}
	return Known{}
}

// fileFormat is the format of one file.
func fileFormat(files fs.FS, name string) string {
	start, err := readStart(files, name, 64)
	if err != nil {
		return ""
	}
	ext := strings.ToLower(path.Ext(name))
	for _, magic := range []struct{ bytes, format string }{
		{"GGUF", "gguf"}, {"\x89HDF\r\n\x1a\n", "hdf5"}, {"\x93NUMPY", "numpy"}, {"CBM1", "catboost"}, {"tree\nversion=", "lightgbm"}, {"binf", "xgboost"},
	} {
		if bytes.HasPrefix(start, []byte(magic.bytes)) {
			return magic.format
		}
	}
	switch {
	case len(start) > 9 && start[8] == '{' && ext == ".safetensors":
		return "safetensors"
	case bytes.HasPrefix(start, []byte("PK")):
		switch ext {
		case ".npz":
			return "numpy"
		case ".keras":
			return "keras"
		case ".pt", ".pth", ".bin", ".ckpt":
			return "torch"
		}
		return ""
	case len(start) > 1 && start[0] == 0x80 && start[1] >= 2 && start[1] <= 5:
		if ext == ".joblib" {
			return "joblib"
		}
		return "pickle"
	}
	return map[string]string{
		".pkl": "pickle", ".pickle": "pickle", ".joblib": "joblib", ".onnx": "onnx", ".ubj": "xgboost", ".xgb": "xgboost", ".bst": "xgboost",
		".cbm": "catboost", ".tflite": "tflite", ".pmml": "pmml", ".mlmodel": "coreml", ".engine": "tensorrt", ".pt": "torch", ".pth": "torch", ".h5": "hdf5",
		".safetensors": "safetensors",
	}[ext]
}

func readStart(files fs.FS, name string, n int64) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, n))
	return text, errors.Join(err, f.Close())
}

// readMLmodel reads of an MLmodel file, which is YAML that MLflow writes, the flavour and the signature. It knows the one form in
// which MLflow writes them; of another it knows nothing.
func readMLmodel(text string) Known {
	k := Known{}
	section, generic := "", ""
	parts := map[string]json.RawMessage{}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimRight(lines[i], "\r")
		bare := strings.TrimLeft(line, " ")
		indent := len(line) - len(bare)
		key, value, ok := strings.Cut(bare, ":")
		if !ok || bare == "" {
			continue
		}
		if indent == 0 {
			section = key
			continue
		}
		if indent != 2 {
			continue
		}
		switch section {
		case "flavors":
			if key == "python_function" {
				generic = "pyfunc"
			} else if k.Format == "" {
				k.Format = strings.Trim(key, `'"`)
			}
		case "signature":
			doc, more := quotedScalar(strings.TrimSpace(value), lines[i+1:])
			i += more
			if raw := json.RawMessage(doc); json.Valid(raw) && key != "params" {
				parts[key] = raw
			}
		}
	}
	if k.Format == "" {
		k.Format = generic
	}
	if len(parts) > 0 {
		k.Signature, _ = json.Marshal(parts) // raw values that are valid
	}
	return k
}

// quotedScalar reads a YAML scalar in single quotes that may go on over the next lines, and says how many of them it took.
func quotedScalar(first string, next []string) (string, int) {
	if !strings.HasPrefix(first, "'") {
		return first, 0
	}
	text, taken := first[1:], 0
	for {
		bare := strings.ReplaceAll(text, "''", "")
		if strings.HasSuffix(bare, "'") || taken == len(next) {
			return strings.ReplaceAll(strings.TrimSuffix(text, "'"), "''", "'"), taken
		}
		text += " " + strings.TrimSpace(next[taken])
		taken++
	}
}
