package main

import (
	"bufio"
	_ "embed" // the hook is part of the program
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// captureHook is what Python imports first, when what a program tracks shall stay here whatever URI it asks for.
//
//go:embed capture/sitecustomize.py
var captureHook []byte

// Names that the hook knows as well.
const (
	captureURL   = "MLX_CAPTURE_URI"
	captureToken = "MLX_CAPTURE_TOKEN"
	capturedName = "captured.jsonl" // in the folder of the run
)

// captureEnv are the variables that bring the hook into every Python of the command.
func captureEnv(r *repo.Repo, e *endpoint, environ []string) ([]string, error) {
	dir := filepath.Join(trackingDir(r), "capture")
	file := filepath.Join(dir, "sitecustomize.py")
	if there, err := os.ReadFile(file); err != nil || string(there) != string(captureHook) {
		err := os.MkdirAll(dir, 0o777)
		if err == nil {
			err = repo.WriteFile(file, captureHook, 0o666)
		}
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot start the run: %w", err)
		}
	}
	path := dir
	if rest := run.Variable(environ, "PYTHONPATH"); rest != "" {
		path += string(os.PathListSeparator) + rest
	}
	return []string{"PYTHONPATH=" + path, captureURL + "=" + e.url, captureToken + "=" + e.token}, nil
}

// elsewhere is a place in code that sends what is tracked to another server.
type elsewhere struct {
	Call string `json:"call"`
	URI  string `json:"uri"` // empty where the code computes it
	File string `json:"file"`
	Line int    `json:"line"`
}

// maxCaptured bounds what the hook may say.
const maxCaptured = 1 << 20

// readCaptured reads what the hook heard, each thing once.
func readCaptured(file string) []elsewhere {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	var all []elsewhere
	seen := make(map[elsewhere]bool)
	for lines := bufio.NewScanner(io.LimitReader(f, maxCaptured)); lines.Scan(); {
		var e elsewhere
		if json.Unmarshal(lines.Bytes(), &e) == nil && !seen[e] {
			seen[e] = true
			all = append(all, e)
		}
	}
	return all
}
