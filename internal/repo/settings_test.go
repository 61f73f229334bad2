package repo

import (
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/fault"
)

func TestSettingsLayers(t *testing.T) {
	r, user := newProject(t), tempDir(t)
	load := func(environ []string, flags map[string]string) *Settings {
		t.Helper()
		s, err := LoadSettings(r, environ, user, flags)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	expect := func(s *Settings, key, value, source string) {
		t.Helper()
		if v, from := s.Get(key); v != value || from != source {
			t.Errorf("%s is %q from %q, must be %q from %q", key, v, from, value, source)
		}
	}
	expect(load(nil, nil), "hints", "true", "default")
	if err := load(nil, nil).Set("jobs", "2", true); err != nil {
		t.Fatal(err)
	}
	if err := load(nil, nil).Set("store", "C:\\a \"b\": #c", true); err != nil {
		t.Fatal(err)
	}
	expect(load(nil, nil), "jobs", "2", "user")
	expect(load(nil, nil), "store", "C:\\a \"b\": #c", "user")
	if err := load(nil, nil).Set("jobs", "3", false); err != nil {
		t.Fatal(err)
	}
	expect(load(nil, nil), "jobs", "3", "repository")
	expect(load([]string{"MLX_JOBS=4", "MLX_RUN_ID=x"}, nil), "jobs", "4", "environment")
	expect(load([]string{"MLX_JOBS=4"}, map[string]string{"jobs": "5"}), "jobs", "5", "flag")
	if err := load(nil, nil).Set("jobs", "", false); err != nil {
		t.Fatal(err)
	}
	expect(load(nil, nil), "jobs", "2", "user")
	if n := len(load(nil, nil).List()); n != 10 {
		t.Errorf("%d settings", n)
	}
	if got, err := LoadSettings(nil, nil, "", nil); err != nil {
		t.Error(err)
	} else if err := got.Set("jobs", "1", false); fault.KindOf(err) != fault.NotFound {
		t.Errorf("outside a repository: %v", err)
	}
}

func TestSettingsMistakes(t *testing.T) {
	r := newProject(t)
	s, err := LoadSettings(r, nil, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ key, value, want string }{
		{"colour", "never", `unknown setting "colour"`},
		{"color", "blue", `cannot set color: "blue" is none of auto, always, never`},
		{"jobs", "many", `cannot set jobs: "many" is no number from 0 to 1024`},
		{"limit_rate", "10", `cannot set limit_rate: "10" is no rate such as 10MiB/s`},
		{"cache_size", "50", `cannot set cache_size: "50" needs a unit, such as 512MiB or 1GB`},
	} {
		if err := s.Set(c.key, c.value, false); err == nil || err.Error() != c.want || fault.KindOf(err) != fault.Usage {
			t.Errorf("%s=%s: %v", c.key, c.value, err)
		}
	}
	if _, err := s.Lookup("colour"); len(fault.Hints(err)) != 1 || !strings.HasPrefix(fault.Hints(err)[0], `did you mean "color"?`) {
		t.Errorf("hints %q", fault.Hints(err))
	}
	if _, err := LoadSettings(r, []string{"MLX_COLOR=blue"}, "", nil); err == nil || err.Error() != `cannot use MLX_COLOR: "blue" is none of auto, always, never` {
		t.Errorf("variable: %v", err)
	}
	file := filepath.Join(r.Shared, settingsFile)
	for text, want := range map[string]string{"colr: never\n": `unknown setting "colr"`, "jobs: [\n": "cannot read", "jobs: x\n": "cannot set jobs"} {
		writeFile(t, file, text)
		if _, err := LoadSettings(r, nil, "", nil); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestLimitRate(t *testing.T) {
	for value, want := range map[string]int64{"": 0, "10MiB/s": 10 << 20, "1kB/s": 1000} {
		s, err := LoadSettings(nil, []string{"MLX_LIMIT_RATE=" + value}, "", nil)
		if err != nil || s.LimitRate() != want {
			t.Errorf("%q: %v", value, err)
		}
	}
	for _, value := range []string{"10", "10MiB", "0B/s", "fast"} {
		if _, err := LoadSettings(nil, []string{"MLX_LIMIT_RATE=" + value}, "", nil); err == nil {
			t.Errorf("%q is a rate", value)
		}
	}
}
