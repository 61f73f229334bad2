package run

import (
	"strconv"
	"strings"
)

// Peer is a process on this machine that speaks to an endpoint of mlx.
type Peer struct {
	PID    int
	Parent int
	Rank   int  // of a distributed run; -1: none
	Worker bool // of joblib or multiprocessing: part of the program that started it
}

// rankIn reads which of several processes of one run this is, from its environment. -1: it is no part of such a run.
func rankIn(environ []string) int {
	for _, v := range []struct{ rank, size string }{
		{"RANK", ""}, // of torchrun and its kin
		{"OMPI_COMM_WORLD_RANK", ""},
		{"PMI_RANK", ""},
		{"PMIX_RANK", ""},
		{"SLURM_PROCID", "SLURM_NTASKS"}, // Slurm sets it for a single task as well
		{"LOCAL_RANK", ""},
	} {
		n, err := strconv.Atoi(Variable(environ, v.rank))
		if err != nil || n < 0 {
			continue
		}
		if v.size != "" {
			if size, err := strconv.Atoi(Variable(environ, v.size)); err != nil || size < 2 {
				continue
			}
		}
		return n
	}
	return -1
}

// isWorker says whether a program was started to do part of the work of its parent: by its words, or because it is a copy of the
// parent that never started another program.
func isWorker(words, parents []string) bool {
	for _, w := range words {
		for _, sign := range []string{"joblib.externals.loky", "loky.backend", "multiprocessing.spawn", "multiprocessing.forkserver",
			"from multiprocessing"} {
			if strings.Contains(w, sign) {
				return true
			}
		}
	}
	return len(words) > 0 && strings.Join(words, "\x00") == strings.Join(parents, "\x00")
}
