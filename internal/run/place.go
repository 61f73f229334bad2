package run

import (
	"slices"
	"strings"
)

// placeVariables say where things are, or which machine and job this is. A name that ends with * stands for all that
// begin so.
const placeVariables = `
VIRTUAL_ENV CONDA_* UV_* POETRY_ACTIVE PIPENV_ACTIVE PIP_* PATH HOME USER LOGNAME PWD TMPDIR HOSTNAME PYTHONPATH PYTHONHOME LD_* DYLD_* MLX_*
CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER NVIDIA_VISIBLE_DEVICES NVIDIA_DRIVER_CAPABILITIES HIP_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES
RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE NODE_RANK GROUP_RANK MASTER_ADDR MASTER_PORT
SLURM_* PBS_* LSB_* JOB_ID SGE_* OMPI_* PMI_* RAY_* KUBERNETES_*
CI CI_* GITHUB_* GITLAB_* BUILD_* JENKINS_* JOB_NAME BUILDKITE_* CIRCLE_* TRAVIS_* BITBUCKET_* TF_BUILD DRONE_* CODEBUILD_*`

// TellsPlace reports whether a variable says where a program runs rather than what it shall compute. A repeat of a run
// keeps those of its own machine.
func TellsPlace(name string) bool {
	return slices.ContainsFunc(strings.Fields(placeVariables), func(known string) bool {
		begin, all := strings.CutSuffix(known, "*")
		return name == known || all && strings.HasPrefix(name, begin)
	})
}

// CPUModel is the name of this machine's processor, or "".
func CPUModel() string { return cpuModel() }
