package history

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
)

// wandbStore is a number of folders of runs, as the client of W&B leaves them on the machine that they ran on.
type wandbStore struct {
	h    *History
	runs []wandbFolder
}

type wandbFolder struct {
	dir string
	log string // file of records; empty: there is none, only what was written at the end
	id  string // as W&B names the run
}

// OpenWandb opens what W&B leaves behind: a folder wandb, the folder of one run or its log; or what people export: a CSV of the table
// of runs, and runs as JSON or lines of JSON.
func OpenWandb(ctx context.Context, place string, o Options) (*History, error) {
	h := &History{From: "wandb", Source: place}
	err := openWandb(ctx, h, from(o.Dir, place))
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot import wandb:%s: %w", shownPlace(place), err)
	}
	h.order()
	return h, nil
}

func openWandb(ctx context.Context, h *History, file string) error {
	if strings.Contains(filepath.ToSlash(file), "://") || strings.Contains(file, ":/") && !filepath.IsAbs(file) {
		return fault.New(fault.Usage, "a server is not asked for its history").
			Hint("mlx import wandb:wandb       # the folder that the client wrote").
			Hint("mlx import wandb:runs.csv    # what the page of the project exports")
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return openWandbFolder(ctx, h, file)
	}
	switch strings.ToLower(filepath.Ext(file)) {
	case ".csv":
		return openWandbCSV(ctx, h, file)
	case ".json", ".jsonl", ".ndjson":
		return openWandbJSON(ctx, h, file)
	case ".wandb":
		s := &wandbStore{h: h}
		h.read = s.run
		s.add(filepath.Dir(file))
		return nil
	}
	return fault.New(fault.Usage, "it is no folder, and no file of CSV, JSON or .wandb").Hint("mlx import wandb:wandb   # the folder that the client wrote")
}

func openWandbFolder(ctx context.Context, h *History, dir string) error {
	s := &wandbStore{h: h}
	h.read = s.run
	if s.add(dir) {
		return nil
	}
	for _, top := range []string{dir, filepath.Join(dir, "wandb"), filepath.Join(dir, ".wandb")} {
		names, err := folders(top)
		if absent(err) {
			continue
		}
		if err != nil {
			return err
		}
		slices.Sort(names)
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				return err
			}
			if strings.HasPrefix(name, "run-") || strings.HasPrefix(name, "offline-run-") {
				if !s.add(filepath.Join(top, name)) {
					h.Left.Add("run", name, "it has neither a log nor a configuration")
				}
			}
		}
		if len(s.runs) > 0 {
			return nil
		}
	}
	return fault.New(fault.NotFound, "there are no runs in it").Hint("mlx import wandb:wandb   # the folder that the client wrote")
}

// add notes the run of a folder, if it is the folder of one.
func (s *wandbStore) add(dir string) bool {
	f := wandbFolder{dir: dir}
	names, err := list(dir, false)
	if err != nil {
		return false
	}
	slices.Sort(names)
	for _, name := range names {
		if word, ok := strings.CutSuffix(name, ".wandb"); ok && strings.HasPrefix(word, "run-") {
			f.log, f.id = filepath.Join(dir, name), strings.TrimPrefix(word, "run-")
		}
	}
	if f.log == "" && !isRegular(filepath.Join(dir, "files", "config.yaml")) && !isRegular(filepath.Join(dir, "files", "wandb-summary.json")) {
		return false
	}
	date, id := folderDate(filepath.Base(dir))
	if f.id == "" {
		f.id = id
	}
	s.h.Runs = append(s.h.Runs, Ref{ID: filepath.Base(dir), MS: date.UnixMilli(), at: len(s.runs)})
	s.runs = append(s.runs, f)
	return true
}

// folderDate reads the name of a folder, run-20261126_044438-l5np1qsh.
func folderDate(name string) (at time.Time, id string) {
	rest := strings.TrimPrefix(strings.TrimPrefix(name, "offline-"), "run-")
	date, id, ok := strings.Cut(rest, "-")
	at, err := time.ParseInLocation("20060102_150405", date, time.UTC)
	if !ok || err != nil {
		return time.UnixMilli(0), name
	}
	return at, id
}
