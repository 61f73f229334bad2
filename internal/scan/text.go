package scan

import (
	"bytes"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

// text judges a file that is UTF-8 text from end to end: JSON, XML, a text model, a script, or words.
func (s *inspection) text(p place, b blob) (bool, error) {
	ok, err := s.isText(b)
	if err != nil || !ok {
		return false, err
	}
	head := bytes.TrimLeft(bytes.TrimPrefix(b.head(4096), []byte("\xef\xbb\xbf")), " \t\r\n\f")
	switch name := path.Base(p.name()); {
	case p.role == scriptCode:
		s.torchScript(p, b)
	case name == "MLmodel":
		s.mlModel(p, b)
	case len(head) > 0 && (head[0] == '{' || head[0] == '['):
		s.jsonFile(p, b)
	case len(head) > 0 && head[0] == '<':
		s.xmlFile(p, b)
	case bytes.HasPrefix(head, []byte("tree\nversion=")):
		s.format("lightgbm")
	case bytes.HasPrefix(head, []byte("#!")) || isScript(name):
		s.format("python")
		s.warn(p, "is a script: it runs where somebody imports or starts it", "")
	default:
		s.format("text")
		s.hook(p, b)
	}
	return true, nil
}

// name is the path of the innermost file.
func (p place) name() string {
	if p.inside == "" {
		return p.file
	}
	return p.inside[strings.LastIndexByte(p.inside, '!')+1:]
}

func isScript(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".py", ".pyw", ".sh", ".bash", ".bat", ".ps1", ".cmd", ".js", ".r", ".jl":
		return true
	}
	return false
}

// hook reports a file that Python runs at its start because of its name.
func (s *inspection) hook(p place, b blob) {
	if strings.HasSuffix(p.name(), ".pth") && bytes.Contains(b.head(window), []byte("import ")) {
		s.block(p, 0, "is a .pth file with an import, which Python runs at its start", "GHSA-m6fh-58r7-x697")
	}
}

// isText reads the whole file: valid UTF-8 without control characters.
func (s *inspection) isText(b blob) (bool, error) {
	var carry []byte
	for at := int64(0); at < b.size; at += window {
		if err := s.ctx.Err(); err != nil {
			return false, err
		}
		chunk := append(carry, b.at(at, window)...)
		whole := len(chunk)
		if at+window < b.size {
			for whole > 0 && whole > len(chunk)-4 && !utf8.RuneStart(chunk[whole-1]) {
				whole--
			}
			if whole > 0 && chunk[whole-1] >= utf8.RuneSelf {
				whole--
			}
		}
		if !plainText(chunk[:whole]) {
			return false, nil
		}
		carry = append([]byte(nil), chunk[whole:]...)
	}
	return true, nil
}

func plainText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' || c == 0x7f {
			return false
		}
	}
	return utf8.Valid(b)
}

// jsonFile judges JSON by what loaders of models act on in it.
func (s *inspection) jsonFile(p place, b blob) {
	if b.size > maxJSON {
		s.bigJSON(p, b)
		return
	}
	tree, err := decodeTree(b.at(0, int(b.size)))
	if err != nil {
		s.format("text")
		if n, _, good := jsonAt(b, 0); n == 0 && good && mayMatter(b) {
			s.unclear(p, 0, "is JSON that cannot be read")
		}
		return
	}
	s.format("json")
	if _, ok := tree.get("learner"); ok {
		s.format("xgboost json")
	}
	s.config(p, tree)
}

// mattering are the words of JSON that a loader acts on. An escape may hide each of them.
func mattering() []string {
	return []string{"class_name", "__class__", "auto_map", "chat_template", `\u`}
}

func mayMatter(b blob) bool {
	for _, p := range b.stretches() {
		for _, word := range mattering() {
			if bytes.Contains(p, []byte(word)) {
				return true
			}
		}
	}
	return false
}

// bigJSON passes a file too large for a tree if none of the words that matter is in it.
func (s *inspection) bigJSON(p place, b blob) {
	s.format("json")
	if mayMatter(b) {
		s.unclear(p, 0, "is JSON too large to be judged")
	}
}

// xmlFile judges PMML and other XML: entities from outside are the only thing in it that acts.
func (s *inspection) xmlFile(p place, b blob) {
	s.format("xml")
	for at, part := range b.stretches() {
		if bytes.Contains(part, []byte("<PMML")) {
			s.format("pmml")
		}
		if bytes.Contains(part, []byte("<!ENTITY")) || bytes.Contains(part, []byte("<!DOCTYPE")) && !bytes.Contains(bytes.ToLower(part), []byte("<!doctype html")) {
			s.block(p, at, "declares entities, which may read files", "https://owasp.org/www-community/vulnerabilities/XML_External_Entity_(XXE)_Processing")
			return
		}
	}
}

// scriptCall finds operators of TorchScript by their namespace.
var scriptCall = regexp.MustCompile(`\bops\.([A-Za-z_0-9]+)\.|\btorch\.(save|load|from_file|hub|jit|package)\b|\baten::(save|from_file)\b`)

// torchScript judges the code of a TorchScript archive: it runs in the interpreter of torch, not in Python, but it runs.
func (s *inspection) torchScript(p place, b blob) {
	s.format("torchscript code")
	s.warn(p, "is TorchScript: code that torch.jit.load compiles and that runs with the model", "https://pytorch.org/docs/stable/jit.html")
	if b.size > maxJSON {
		s.unclear(p, 0, "is code too large to be judged")
		return
	}
	for _, m := range scriptCall.FindAllSubmatchIndex(b.at(0, int(b.size)), -1) {
		call := string(b.at(int64(m[0]), m[1]-m[0]))
		if m[2] >= 0 {
			switch space := string(b.at(int64(m[2]), m[3]-m[2])); space {
			case "prim", "aten", "quantized", "prepacked", "torchvision", "torchaudio", "_quantized":
				continue
			}
		}
		s.block(p, int64(m[0]), "calls "+call+", which reaches outside of its tensors", "https://pytorch.org/docs/stable/jit.html")
	}
}
