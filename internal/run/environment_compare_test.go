package run

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/object"
)

func TestComparePackages(t *testing.T) {
	a := []string{"-e mine==0.1.0", "numpy==2.1.0", "old==1.0", "same==3.0", "twice==1.0", "twice==2.0"}
	b := []string{"mine==0.1.0", "new==1.0", "numpy==2.1.1", "same==3.0", "twice==1.0", "twice==2.0"}
	want := []PackageChange{
		{"mine", "0.1.0 (editable)", "0.1.0"}, {"new", "", "1.0"}, {"numpy", "2.1.0", "2.1.1"}, {"old", "1.0", ""},
	}
	if diff := cmp.Diff(want, ComparePackages(a, b)); diff != "" {
		t.Error(diff)
	}
	if same := ComparePackages(a, a); same != nil {
		t.Errorf("a list differs from itself: %v", same)
	}
}

func TestCompareEnvironment(t *testing.T) {
	digest := func(text string) object.Digest { return object.Sum([]byte(text)) }
	a := &Environment{
		Variables: map[string]string{"PYTHONHASHSEED": "1", "TZ": "UTC"}, Seeds: map[string]string{"PYTHONHASHSEED": "1"},
		Python: &Python{Version: "3.13.5", Packages: 41, Lock: digest("a")},
		Locks:  []LockFile{{"uv.lock", digest("x")}},
		GPUs:   []GPU{{Name: "NVIDIA A100", Driver: "550"}, {Name: "NVIDIA A100", Driver: "550"}},
	}
	b := &Environment{
		Variables: map[string]string{"PYTHONHASHSEED": "2", "TZ": "UTC"}, Seeds: map[string]string{"PYTHONHASHSEED": "2"},
		Python: &Python{Version: "3.13.5", Packages: 41, Lock: digest("b")},
		Locks:  []LockFile{{"uv.lock", digest("y")}},
	}
	want := []Change{
		{"gpu.driver", "550", ""},
		{"gpus", "2 x NVIDIA A100", ""},
		{"lock.uv.lock", digest("x").Short(), digest("y").Short()},
		{"python.packages", "41 packages " + digest("a").Short(), "41 packages " + digest("b").Short()},
		{"seed.PYTHONHASHSEED", "1", "2"},
	}
	if diff := cmp.Diff(want, CompareEnvironment(a, b)); diff != "" {
		t.Error(diff)
	}
	if got := CompareEnvironment(a, nil); got != nil {
		t.Errorf("what is not known differs: %v", got)
	}
}
