package run

// What a view shows of the parts of a record: digests as 64 hex digits, and null or nothing for what is not known, so that no
// field is ever left out.
type (
	shownEnvironment struct {
		Variables map[string]string `json:"variables"`
		Seeds     map[string]string `json:"seeds"`
		Python    *shownPython      `json:"python"`
		Locks     []shownLock       `json:"locks"`
		Container *shownContainer   `json:"container"`
		GPUs      []shownGPU        `json:"gpus"`
	}
	shownPython struct {
		Executable string   `json:"executable"`
		Version    string   `json:"version"`
		Manager    *string  `json:"manager"`
		Packages   int      `json:"packages"`
		Lock       *string  `json:"lock"`
		List       *string  `json:"list"`
		Editable   []string `json:"editable"`
		Indexes    []string `json:"indexes"`
	}
	shownLock struct {
		Path   string `json:"path"`
		Digest string `json:"digest"`
	}
	shownContainer struct {
		Runtime string  `json:"runtime"`
		Image   *string `json:"image"`
		ID      *string `json:"id"`
	}
	shownGPU struct {
		Name        string  `json:"name"`
		UUID        *string `json:"uuid"`
		MemoryBytes *int64  `json:"memory_bytes"`
		Driver      *string `json:"driver"`
		CUDA        *string `json:"cuda"`
	}
	shownStage struct {
		Name      string     `json:"name"`
		Key       string     `json:"key"`
		Deps      []shownDep `json:"deps"`
		Sample    bool       `json:"sample"`
		Disturbed []string   `json:"disturbed"`
	}
	shownDep struct {
		Path       string `json:"path"`
		Digest     string `json:"digest"`
		Executable bool   `json:"executable"`
	}
	shownLog struct {
		Root   string `json:"root"`
		Digest string `json:"digest"`
		Bytes  int64  `json:"bytes"`
		Cut    int64  `json:"cut"`
	}
	shownSeries struct {
		Root   string `json:"root"`
		Digest string `json:"digest"`
		Bytes  int64  `json:"bytes"`
		Points int64  `json:"points"`
		Names  int    `json:"names"`
	}
	shownLeftOut struct {
		Path  string `json:"path"`
		Why   string `json:"why"`
		Bytes *int64 `json:"bytes"`
	}
	shownAddition struct {
		Addition
		Metrics []string `json:"metrics"`
		Outputs []string `json:"outputs"`
	}
)

func (e *Environment) shown() *shownEnvironment {
	if e == nil {
		return nil
	}
	s := &shownEnvironment{Variables: e.Variables, Seeds: e.Seeds, Python: e.Python.shown(), Locks: []shownLock{}, GPUs: []shownGPU{}}
	if s.Variables == nil {
		s.Variables = map[string]string{}
	}
	if s.Seeds == nil {
		s.Seeds = map[string]string{}
	}
	for _, l := range e.Locks {
		s.Locks = append(s.Locks, shownLock{l.Path, l.Digest.Hex()})
	}
	if c := e.Container; c != nil {
		s.Container = &shownContainer{c.Runtime, some(c.Image), some(c.ID)}
	}
	for _, g := range e.GPUs {
		s.GPUs = append(s.GPUs, shownGPU{g.Name, some(g.UUID), some(g.MemoryBytes), some(g.Driver), some(g.CUDA)})
	}
	return s
}

func (p *Python) shown() *shownPython {
	if p == nil {
		return nil
	}
	s := &shownPython{Executable: p.Executable, Version: p.Version, Manager: some(p.Manager), Packages: p.Packages,
		Editable: orEmpty(p.Editable), Indexes: orEmpty(p.Indexes)}
	if !p.Lock.IsZero() {
		s.Lock = some(p.Lock.Hex())
	}
	if !p.List.IsZero() {
		s.List = some(p.List.Hex())
	}
	return s
}

func (s *Stage) shown() *shownStage {
	if s == nil {
		return nil
	}
	out := &shownStage{Name: s.Name, Key: s.Key.Hex(), Deps: []shownDep{}, Sample: s.Sample, Disturbed: orEmpty(s.Disturbed)}
	for _, d := range s.Deps {
		out.Deps = append(out.Deps, shownDep{d.Path, d.Digest.Hex(), d.Executable})
	}
	return out
}

func (l *Log) shown() *shownLog {
	if l == nil {
		return nil
	}
	return &shownLog{l.Root.Hex(), l.Digest.Hex(), l.Bytes, l.Cut}
}

func (s *Series) shown() *shownSeries {
	if s == nil {
		return nil
	}
	return &shownSeries{s.Root.Hex(), s.Digest.Hex(), s.Bytes, s.Points, s.Names}
}

// show fills in what JSON has of the parts.
func (v *View) show(left []LeftOut, added []Addition) {
	v.EnvironmentShown, v.StageShown, v.LogShown, v.SeriesShown = v.Environment.shown(), v.Stage.shown(), v.Log.shown(), v.Series.shown()
	v.LeftOutShown, v.AddedShown = []shownLeftOut{}, []shownAddition{}
	for _, l := range left {
		v.LeftOutShown = append(v.LeftOutShown, shownLeftOut{l.Path, l.Why, some(l.Bytes)})
	}
	for _, a := range added {
		v.AddedShown = append(v.AddedShown, shownAddition{a, orEmpty(a.Metrics), orEmpty(a.Outputs)})
	}
}

func orEmpty(all []string) []string {
	if all == nil {
		return []string{}
	}
	return all
}
