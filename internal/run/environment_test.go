package run

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/object"
)

func TestVariables(t *testing.T) {
	got := variables([]string{
		"PATH=/usr/bin", "HOME=/home/ana", "PYTHONHASHSEED=1", "OMP_NUM_THREADS=2", "OMP_NUM_THREADS=4", "SLURM_JOB_ID=7", "SLURM_JWT=eyJ", "SLURM_X_TOKEN=abc",
		"MINE=1", "MY_API_KEY=abc", "PIP_INDEX_URL=https://ana:secret@pypi.example/simple", "TRAIN_SEED=5", "WALLET_SEED=correct horse battery staple", "TOKENIZERS_PARALLELISM=false",
		"LANG=ghp_0123456789abcdefghijABCDEFGHIJ012345", "TZ=" + strings.Repeat("x", 2*maxVariable), "LC_ALL=\xff", "AWS_SECRET_ACCESS_KEY=abc",
	}, []string{"MINE", "MY_API_KEY"})
	want := map[string]string{
		"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "4", "SLURM_JOB_ID": "7", "SLURM_JWT": redactedText, "SLURM_X_TOKEN": redactedText, "MINE": "1", "MY_API_KEY": redactedText,
		"PIP_INDEX_URL": "https://pypi.example/simple", "TRAIN_SEED": "5", "WALLET_SEED": redactedText, "TOKENIZERS_PARALLELISM": "false", "LANG": redactedText,
		"TZ": strings.Repeat("x", maxVariable) + "…", "LC_ALL": "\ufffd",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestVariablesFitARecord(t *testing.T) {
	var environ []string
	for i := range 2 * maxVariables {
		environ = append(environ, fmt.Sprintf("SLURM_%d=%s", i, strings.Repeat("x", 1000)))
	}
	size := 0
	for name, value := range variables(environ, nil) {
		size += len(name) + len(value)
	}
	if size == 0 || size > maxVariableBytes {
		t.Errorf("%d bytes", size)
	}
}

func TestSeeds(t *testing.T) {
	got := seeds(map[string]string{"PYTHONHASHSEED": "0", "TZ": "UTC", "EMPTY_SEED": ""},
		map[string]any{"seed": float64(13), "train.Random_State": "7", "model.data_seed": float64(1), "seeds": float64(2), "seedling": "x", "seed.depth": float64(1), "a.seed": true})
	want := map[string]string{"PYTHONHASHSEED": "0", "seed": "13", "train.Random_State": "7", "model.data_seed": "1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := seeds(nil, map[string]any{"depth": float64(6)}); got != nil {
		t.Error(got)
	}
}

func TestCleanURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://ana:secret@host.example/x.git":       "https://host.example/x.git",
		"https://t0ken@host.example/x.git":            "https://host.example/x.git",
		"https://host.example/x.git":                  "https://host.example/x.git",
		"https://host.example/x?sig=abc&a=1":          "https://host.example/x?a=1",
		"ssh://git@host.example/x.git":                "ssh://git@host.example/x.git",
		"ssh://git:secret@host.example/x.git":         "ssh://git@host.example/x.git",
		"git+ssh://git@host.example/x.git":            "git+ssh://git@host.example/x.git",
		"git@host.example:x.git":                      "git@host.example:x.git",
		"/srv/x.git":                                  "/srv/x.git",
		"https://ana:se%zz@host.example/x?token=abcd": "https://host.example/x",
	} {
		if got := CleanURL(raw); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

func TestSecretArgument(t *testing.T) {
	tests := []struct {
		argv []string
		want string // what is in the answer; empty: nothing is found
	}{
		{[]string{"train", "--password=abc"}, "--password"},
		{[]string{"train", "--password", "abc"}, "--password"},
		{[]string{"train", "--api-key", "abc"}, "--api-key"},
		{[]string{"train", "--hf_token=abc"}, "--hf_token"},
		{[]string{"train", "AKIAIOSFODNN7EXAMPLE"}, "AKIA"},
		{[]string{"sh", "-c", "curl -H 'x: ghp_0123456789abcdefghijABCDEFGHIJ012345'"}, "ghp_"},
		{[]string{"train", "--db", "postgres://ana:secret@host.example/db"}, "host.example"},
		{[]string{"train", "--password", "--verbose"}, ""},
		{[]string{"train", "--password=$PW"}, ""},
		{[]string{"sh", "-c", "train postgres://ana:$PW@host/db"}, ""},
		{[]string{"train", "--max-tokens", "512", "--num-tokens=3", "--tokenizer", "bert", "--key", "id"}, ""},
		{[]string{"python", "train.py", "--url", "https://host.example/a?b=c"}, ""},
	}
	for _, tt := range tests {
		got := SecretArgument(tt.argv)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.argv, got, tt.want)
		}
		for _, secret := range []string{"abc", "secret", "0123456789abcdef", "IOSFODNN7"} {
			if strings.Contains(got, secret) {
				t.Errorf("%q: the answer repeats the secret: %q", tt.argv, got)
			}
		}
	}
}

func FuzzRedactor(f *testing.F) {
	f.Add("NAME", "https://ana:secret@host/x?sig=1 ghp_0123456789abcdefghij")
	f.Fuzz(func(t *testing.T, name, value string) {
		clean := newRedactor()
		once := clean.value(name, value)
		if secretName(name) && value != "" && once != redactedText {
			t.Errorf("%q of %q was not redacted", value, name)
		}
		SecretArgument([]string{name, value})
	})
}

func TestContainer(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	tests := []struct {
		name    string
		files   fstest.MapFS
		environ []string
		want    *Container
	}{
		{"none", fstest.MapFS{"proc/self/cgroup": file("0::/user.slice/session-1.scope\n")}, nil, nil},
		{"docker, control groups v1", fstest.MapFS{".dockerenv": file(""), "proc/self/cgroup": file("12:pids:/docker/" + id + "\n")}, nil, &Container{Runtime: "docker", ID: id}},
		{"docker, control groups v2", fstest.MapFS{".dockerenv": file(""), "proc/self/cgroup": file("0::/\n"),
			"proc/self/mountinfo": file("1 2 0:1 /var/lib/docker/containers/" + id + "/hostname /etc/hostname rw\n")}, []string{"CI_JOB_IMAGE=python:3.13"},
			&Container{Runtime: "docker", ID: id, Image: "python:3.13"}},
		{"podman", fstest.MapFS{"run/.containerenv": file("engine=\"podman-5.0\"\nname=\"x\"\nid=\"" + id + "\"\nimage=\"docker.io/library/python:3.13\"\n")}, nil,
			&Container{Runtime: "podman", ID: id, Image: "docker.io/library/python:3.13"}},
		{"podman that says nothing", fstest.MapFS{"run/.containerenv": file("")}, nil, &Container{Runtime: "podman"}},
		{"kubernetes", fstest.MapFS{"proc/self/cgroup": file("0::/kubepods/burstable/pod1/cri-containerd-" + id + ".scope\n")},
			[]string{"KUBERNETES_SERVICE_HOST=10.0.0.1", "CONTAINER_IMAGE=https://ana:secret@registry.example/x"},
			&Container{Runtime: "kubernetes", ID: id, Image: "https://registry.example/x"}},
		{"apptainer", nil, []string{"SINGULARITY_CONTAINER=/images/x.sif", "APPTAINER_CONTAINER=/images/x.sif"}, &Container{Runtime: "apptainer", Image: "/images/x.sif"}},
		{"another", nil, []string{"container=lxc"}, &Container{Runtime: "lxc"}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, container(tt.files, tt.environ)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestLockFiles(t *testing.T) {
	p := newPlace(t)
	for _, name := range []string{"uv.lock", "requirements-dev.txt", "environment.yaml", "notes.txt", "sub/poetry.lock", "sub/deep/go.sum", "requirements.in"} {
		p.file(name, name)
	}
	want := []LockFile{}
	for _, name := range []string{"environment.yaml", "requirements-dev.txt", "sub/poetry.lock", "uv.lock"} {
		want = append(want, LockFile{name, object.Sum([]byte(name))})
	}
	if diff := cmp.Diff(want, lockFiles(p.dir, p.path("sub"))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[3:], lockFiles(p.dir, p.dir)[2:]); diff != "" {
		t.Error(diff)
	}
}
