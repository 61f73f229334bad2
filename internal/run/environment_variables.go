package run

import (
	"slices"
	"strings"
)

// Bounds of what is recorded of variables.
const (
	maxVariables     = 300
	maxVariable      = 4096     // bytes of one value; a longer one is cut
	maxVariableBytes = 64 << 10 // of all: the record has to hold more than them
)

// recordedVariables is the allow-list: variables that change what a program computes, and those that say where it ran.
// A name that ends with * stands for all that begin so. docs/security.md shows this list.
const recordedVariables = `
PYTHONHASHSEED PYTHONPATH PYTHONHOME PYTHONOPTIMIZE PYTHONNOUSERSITE PYTHONUTF8 PYTHONDONTWRITEBYTECODE
VIRTUAL_ENV CONDA_DEFAULT_ENV CONDA_PREFIX UV_PROJECT_ENVIRONMENT POETRY_ACTIVE PIPENV_ACTIVE
PIP_INDEX_URL PIP_EXTRA_INDEX_URL UV_INDEX UV_INDEX_URL UV_DEFAULT_INDEX UV_EXTRA_INDEX_URL
CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER CUDA_LAUNCH_BLOCKING NVIDIA_VISIBLE_DEVICES NVIDIA_DRIVER_CAPABILITIES NVIDIA_TF32_OVERRIDE
HIP_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES CUBLAS_WORKSPACE_CONFIG CUDNN_DETERMINISTIC
TF_DETERMINISTIC_OPS TF_CUDNN_DETERMINISTIC TF_ENABLE_ONEDNN_OPTS TF_XLA_FLAGS TF_FORCE_GPU_ALLOW_GROWTH TF_NUM_INTRAOP_THREADS TF_NUM_INTEROP_THREADS
XLA_FLAGS JAX_PLATFORMS JAX_ENABLE_X64 JAX_DEFAULT_MATMUL_PRECISION PYTORCH_CUDA_ALLOC_CONF TORCH_ALLOW_TF32_CUBLAS_OVERRIDE TORCHINDUCTOR_COMPILE_THREADS
NCCL_ALGO NCCL_PROTO KERAS_BACKEND TOKENIZERS_PARALLELISM HF_HUB_OFFLINE TRANSFORMERS_OFFLINE
OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS NUMEXPR_NUM_THREADS VECLIB_MAXIMUM_THREADS BLIS_NUM_THREADS OMP_PROC_BIND OMP_PLACES OMP_DYNAMIC
MKL_DYNAMIC MKL_CBWR KMP_AFFINITY KMP_DETERMINISTIC_REDUCTION GOMAXPROCS JULIA_NUM_THREADS
TZ LANG LC_ALL LC_CTYPE LC_NUMERIC SOURCE_DATE_EPOCH
RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE NODE_RANK MASTER_ADDR MASTER_PORT GROUP_RANK
SLURM_* PBS_JOBID PBS_ARRAY_INDEX PBS_QUEUE LSB_JOBID LSB_JOBINDEX JOB_ID SGE_TASK_ID OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_SIZE PMI_RANK PMI_SIZE
RAY_JOB_ID KUBERNETES_SERVICE_HOST HOSTNAME
CI GITHUB_ACTIONS GITHUB_RUN_ID GITHUB_RUN_NUMBER GITHUB_RUN_ATTEMPT GITHUB_REPOSITORY GITHUB_WORKFLOW GITHUB_JOB GITHUB_SHA GITHUB_REF
GITLAB_CI CI_JOB_ID CI_PIPELINE_ID CI_PROJECT_PATH CI_COMMIT_SHA CI_COMMIT_REF_NAME BUILD_ID BUILD_NUMBER JENKINS_URL JOB_NAME BUILDKITE_BUILD_ID
BUILDKITE_JOB_ID CIRCLE_WORKFLOW_ID CIRCLE_BUILD_NUM TRAVIS_BUILD_ID BITBUCKET_BUILD_NUMBER TF_BUILD BUILD_BUILDID DRONE_BUILD_NUMBER CODEBUILD_BUILD_ID`

// variables returns what of an environment is recorded: the allow-list, more by name, and seeds. What looks like a secret
// is not.
func variables(environ, more []string) map[string]string {
	allowed := map[string]bool{}
	var begins []string
	for _, name := range append(strings.Fields(recordedVariables), more...) {
		if begin, all := strings.CutSuffix(name, "*"); all && begin != "" {
			begins = append(begins, begin)
		} else {
			allowed[name] = true
		}
	}
	clean, all, size := newRedactor(), map[string]string{}, 0
	for _, v := range environ {
		name, value, ok := strings.Cut(v, "=")
		if !ok || !allowed[name] && !seedName(name) && !slices.ContainsFunc(begins, func(b string) bool { return strings.HasPrefix(name, b) }) {
			continue
		}
		value = bounded(clean.value(name, value))
		if seedName(name) && !allowed[name] && !isSeed(value) {
			value = redactedText // that of a wallet, say
		}
		if size += len(name) + len(value); len(all) >= maxVariables || size > maxVariableBytes {
			break
		}
		all[text(name)] = value
	}
	return all
}

// isSeed says whether a value is one that random numbers begin with.
func isSeed(value string) bool {
	return len(value) <= 40 && strings.Trim(value, "0123456789-,.xabcdefABCDEF") == ""
}

// bounded cuts a text that is too long for a record.
func bounded(s string) string {
	if len(s) > maxVariable {
		s = s[:maxVariable] + "…"
	}
	return text(s)
}

// Variable returns the last value of a variable, which is the one that counts.
func Variable(environ []string, name string) string {
	for _, v := range slices.Backward(environ) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}
