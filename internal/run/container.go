package run

import (
	"io"
	"io/fs"
	"strings"
)

// maxSystemFile bounds a file of the system that is asked about containers.
const maxSystemFile = 1 << 20

// imageVariables are the variables in which images and platforms say what they are, in the order of trust.
func imageVariables() []string {
	return []string{"CONTAINER_IMAGE", "IMAGE_NAME", "DOCKER_IMAGE", "CI_JOB_IMAGE", "SINGULARITY_CONTAINER", "APPTAINER_CONTAINER", "SM_IMAGE_URI", "ECS_IMAGE"}
}

// container says which container this process is in, or nil. system is the file system from its root.
func container(system fs.FS, environ []string) *Container {
	variable := func(name string) string { return Variable(environ, name) }
	var c Container
	there := func(name string) bool { _, err := fs.Stat(system, name); return err == nil }
	podman := systemFile(system, "run/.containerenv")
	switch {
	case variable("SINGULARITY_CONTAINER") != "" || variable("APPTAINER_CONTAINER") != "":
		c.Runtime = "singularity"
		if variable("APPTAINER_CONTAINER") != "" {
			c.Runtime = "apptainer"
		}
	case variable("KUBERNETES_SERVICE_HOST") != "":
		c.Runtime = "kubernetes"
	case there("run/.containerenv") || variable("container") == "podman":
		c.Runtime = "podman"
	case there(".dockerenv"):
		c.Runtime = "docker"
	case variable("container") != "":
		c.Runtime = bounded(variable("container")) // systemd-nspawn, lxc
	default:
		return nil
	}
	c.Image, c.ID = quoted(podman, "image"), quoted(podman, "id")
	for _, name := range imageVariables() {
		if value := variable(name); c.Image == "" && value != "" {
			c.Image = bounded(newRedactor().value(name, value))
		}
	}
	if c.ID == "" {
		c.ID = containerID(systemFile(system, "proc/self/cgroup") + "\n" + systemFile(system, "proc/self/mountinfo"))
	}
	return &c
}

// containerID finds the id of a container in what the kernel says of control groups and mounts, in that order: 64 hex
// digits in a path of a runtime. Ids of images and layers stand in other paths.
func containerID(text string) string {
	for line := range strings.Lines(text) {
		for _, before := range []string{"docker", "libpod", "crio", "containerd", "kubepods", "buildkit", "/containers/", "/overlay-containers/", "/sandboxes/"} {
			_, rest, found := strings.Cut(line, before)
			if !found || strings.Contains(line, "/overlay2/") && !strings.Contains(line, "/containers/") {
				continue
			}
			if _, in, is := strings.Cut(rest, "/containers/"); is { // below a folder of the runtime's
				rest = in
			}
			for word := range strings.FieldsFuncSeq(rest, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }) {
				if len(word) == 64 {
					return word
				}
			}
		}
	}
	return ""
}

// quoted returns the value of a line NAME="VALUE".
func quoted(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			return bounded(strings.Trim(value, `"`))
		}
	}
	return ""
}

// systemFile returns what a file says, or nothing.
func systemFile(system fs.FS, name string) string {
	f, err := system.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSystemFile))
	if err != nil {
		return ""
	}
	return string(text)
}
