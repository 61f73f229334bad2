package local

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"mlx/internal/deploy"
)

// StageOptions say where the servers of stages are kept. All are needed but Log.
type StageOptions struct {
	Dir     string // of the server whose stages they are: StageDir
	Environ []string
	Now     func() time.Time
	Log     func(format string, args ...any)
}

// StageServer is a server that only another server asks: that of a release of several stages.
type StageServer struct {
	Name    string
	Release deploy.Release // model and command of the stage; its key is that of the release it is a stage of
	Place   Place
}

const (
	stagesName = "stages"      // a folder with one for each server that has stages
	countsName = "counts.json" // what such a server has counted
)

// StageDirVariable is the variable of the environment in which a server that has stages finds its StageDir.
const StageDirVariable = "MLX_STAGE_DIR"

// StageDir is the folder that server n of a release keeps of its stages: what runs, what was printed, what was counted.
func StageDir(dir, key string, n int) string {
	return filepath.Join(dir, stagesName, shortKey(key)+"-"+strconv.Itoa(n))
}

// CountsOf is the file of such a folder with what was counted.
func CountsOf(stageDir string) string { return filepath.Join(stageDir, countsName) }

// maxCounts bounds such a file.
const maxCounts = 4 << 20

// ReadCounts reads what was counted of stages. What cannot be read was not counted.
func ReadCounts(stageDir string) []deploy.SeenStage {
	info, err := os.Stat(CountsOf(stageDir))
	if err != nil || info.Size() > maxCounts {
		return nil
	}
	text, err := os.ReadFile(CountsOf(stageDir))
	var all []deploy.SeenStage
	if err != nil || json.Unmarshal(text, &all) != nil {
		return nil
	}
	return all
}

// countsBehind is what the servers of a release behind the first n have counted, which ran when there were more: what they have answered is answered.
func countsBehind(dir, key string, n int) []deploy.SeenStage {
	var all []deploy.SeenStage
	for n++; ; n++ {
		counted := ReadCounts(StageDir(dir, key, n))
		if counted == nil {
			return all
		}
		for i := range counted {
			counted[i].Ready, counted[i].Restarts, counted[i].Trouble = 0, 0, ""
		}
		all = deploy.AddStages(all, counted)
	}
}
