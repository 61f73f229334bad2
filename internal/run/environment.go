package run

import "mlx/internal/object"

// Environment is what surrounded a command, apart from the machine. Nothing in it is secret: variables are those of an
// allow-list, URLs are without credentials.
type Environment struct {
	Variables map[string]string `json:"variables,omitempty"` // "(redacted)" stands for what looks like a secret
	Seeds     map[string]string `json:"seeds,omitempty"`     // variables and parameters that fix random numbers
	Python    *Python           `json:"python,omitempty"`
	Locks     []LockFile        `json:"locks,omitempty"` // lock files of package managers, in the order of their paths
	Container *Container        `json:"container,omitempty"`
	GPUs      []GPU             `json:"gpus,omitempty"`
}

// Python is the interpreter that the command used, and what was installed for it.
type Python struct {
	Executable string        `json:"executable"`
	Version    string        `json:"version"`           // "3.13.5"
	Manager    string        `json:"manager,omitempty"` // venv, conda, uv, poetry; empty for the system's own
	Packages   int           `json:"packages"`
	Lock       object.Digest `json:"lock"`               // SHA-256 of the list of packages, one NAME==VERSION a line
	List       object.Digest `json:"list"`               // snapshot of one file, the list
	Editable   []string      `json:"editable,omitempty"` // used from their source: "NAME @ FOLDER", "…@COMMIT" outside this repository
	Indexes    []string      `json:"indexes,omitempty"`  // where packages come from beside pypi.org, without credentials
}

// LockFile is a file that fixes versions of packages.
type LockFile struct {
	Path   string        `json:"path"` // below the repository root
	Digest object.Digest `json:"digest"`
}

// Container is the image that mlx itself ran in. What cannot be seen from inside is empty.
type Container struct {
	Runtime string `json:"runtime"` // docker, podman, kubernetes, singularity, ...
	Image   string `json:"image,omitempty"`
	ID      string `json:"id,omitempty"`
}

// GPU is one accelerator.
type GPU struct {
	Name        string `json:"name"`
	UUID        string `json:"uuid,omitempty"`
	MemoryBytes int64  `json:"memory_bytes,omitempty"`
	Driver      string `json:"driver,omitempty"`
	CUDA        string `json:"cuda,omitempty"` // the newest version that the driver knows
}
