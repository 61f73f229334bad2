package tracking

import (
	"context"

	"mlx/internal/fault"
	"mlx/internal/registry"
	"mlx/internal/run"
)

// versionRoutes are the calls about versions of registered models.
func versionRoutes() []route {
	return []route{
		{"POST", "model-versions/create", createVersion},
		{"GET", "model-versions/get", getVersion},
		{"PATCH", "model-versions/update", updateVersion},
		{"DELETE", "model-versions/delete", deleteVersion},
		{"GET", "model-versions/search", searchVersions},
		{"POST", "model-versions/search", searchVersions},
		{"POST", "model-versions/set-tag", tagVersion},
		{"DELETE", "model-versions/delete-tag", untagVersion},
		{"POST", "model-versions/transition-stage", moveVersion},
		{"GET", "model-versions/get-download-uri", downloadURI},
	}
}

// aboutVersion is what the calls about a version send.
type aboutVersion struct {
	Name        string        `json:"name"`
	Version     versionNumber `json:"version"`
	Source      string        `json:"source"`
	Run         string        `json:"run_id"`
	RunLink     string        `json:"run_link"`
	Model       string        `json:"model_id"`
	Description *string       `json:"description"`
	Tags        []keyValue    `json:"tags"`
	Key         string        `json:"key"`
	Value       string        `json:"value"`
	Stage       string        `json:"stage"`
	Archive     flag          `json:"archive_existing_versions"`
}

// flag is true or false, which a query writes as text.
type flag bool

func (f *flag) UnmarshalJSON(b []byte) error {
	*f = string(b) == "true" || string(b) == `"true"` || string(b) == `"True"`
	return nil
}

func createVersion(s *Server, c *call) (any, error) {
	var in aboutVersion
	if err := c.into(&in); err != nil {
		return nil, err
	}
	m, err := s.registered(c.ctx, in.Name)
	if err != nil {
		return nil, err
	}
	src, err := s.source(c.ctx, in)
	defer src.release()
	if err != nil {
		return nil, err
	}
	b := src.Registration
	b.Model, b.Source, b.RunLink = m.Name, cut(in.Source, maxValue), cut(in.RunLink, maxValue)
	if in.Description != nil {
		b.Message = *in.Description
	}
	if err := addPairs(&b.Tags, in.Tags); err != nil {
		return nil, err
	}
	if b.From, err = s.parents(c.ctx, b); err != nil {
		return nil, err
	}
	defer s.registering.lock(m.Name)()
	v, err := s.o.Registry.Register(c.ctx, b)
	if err != nil {
		return nil, err
	}
	return versionAnswer{versionOut(v)}, nil
}

// parents are the versions that the run which wrote a model has read, beside what it registered itself.
func (s *Server) parents(ctx context.Context, b registry.Registration) ([]registry.Parent, error) {
	all := b.From
	if b.Run == nil {
		return all, nil
	}
	body, _, err := s.body(ctx, *b.Run)
	if err != nil {
		return nil, err
	}
	for _, used := range body.Used {
		v, err := s.o.Registry.VersionOf(ctx, used.Record)
		if fault.KindOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		if v.Run == nil || *v.Run != *b.Run {
			all = append(all, registry.Parent{Model: v.Model, Version: v.Version, Digest: v.Digest, Record: v.Record})
		}
	}
	return all, nil
}

// existingVersion reads a call about a version that must exist.
func (s *Server) existingVersion(c *call) (in aboutVersion, v *registry.Version, err error) {
	if err = c.into(&in); err == nil {
		v, err = s.version(c.ctx, in.Name, string(in.Version))
	}
	return in, v, err
}

// answerVersion answers how a version is now.
func (s *Server) answerVersion(c *call, in aboutVersion) (any, error) {
	v, err := s.version(c.ctx, in.Name, string(in.Version))
	if err != nil {
		return nil, err
	}
	return versionAnswer{versionOut(v)}, nil
}

func getVersion(s *Server, c *call) (any, error) {
	_, v, err := s.existingVersion(c)
	if err != nil {
		return nil, err
	}
	return versionAnswer{versionOut(v)}, nil
}

func (s *Server) describeVersion(c *call, v *registry.Version, d registry.Description) error {
	d.Model, d.Version = v.Model, v.Version
	return s.o.Registry.Describe(c.ctx, d)
}

func updateVersion(s *Server, c *call) (any, error) {
	in, v, err := s.existingVersion(c)
	if err == nil && in.Description != nil {
		err = s.describeVersion(c, v, registry.Description{Text: in.Description})
	}
	if err != nil {
		return nil, err
	}
	return s.answerVersion(c, in)
}

func deleteVersion(s *Server, c *call) (any, error) {
	_, v, err := s.existingVersion(c)
	if err != nil {
		return nil, err
	}
	return nil, s.describeVersion(c, v, registry.Description{Deleted: true})
}

func tagVersion(s *Server, c *call) (any, error) {
	in, v, err := s.existingVersion(c)
	if err != nil {
		return nil, err
	}
	tags, err := tagChanges([]keyValue{{in.Key, in.Value}})
	if err != nil {
		return nil, err
	}
	return nil, s.describeVersion(c, v, registry.Description{Tags: tags})
}

func untagVersion(s *Server, c *call) (any, error) {
	in, v, err := s.existingVersion(c)
	if err != nil {
		return nil, err
	}
	if _, ok := v.Tags[in.Key]; !ok {
		return nil, nil
	}
	return nil, s.describeVersion(c, v, registry.Description{Tags: map[string]*string{in.Key: nil}})
}

// moveVersion gives a version another stage, if the policy allows it.
func moveVersion(s *Server, c *call) (any, error) {
	in, v, err := s.existingVersion(c)
	if err != nil {
		return nil, err
	}
	to, err := parseStage(in.Stage)
	if err != nil {
		return nil, err
	}
	if in.Archive && to != registry.Staging && to != registry.Production {
		return nil, invalid("Model version transition cannot archive existing model versions because '%s' is not an Active stage. "+
			"Valid stages are Staging, Production", stageName(to))
	}
	step := registry.Step{Version: v, To: to, Keep: !bool(in.Archive)}
	if s.o.Allow != nil {
		if step.Evidence, err = s.o.Allow(c.ctx, v, to); err != nil {
			return nil, refused(err)
		}
	}
	if v.Stage == to && !bool(in.Archive) {
		return versionAnswer{versionOut(v)}, nil
	}
	if _, err := s.o.Registry.Move(c.ctx, step); err != nil {
		return nil, err
	}
	return s.answerVersion(c, in)
}

// refused says what a move needs, and the commands that supply it: a client shows the message and nothing else.
func refused(err error) error {
	text := err.Error()
	for _, hint := range fault.Hints(err) {
		text += "\n" + hint
	}
	code := failure(err).Code
	if code == InternalError && fault.KindOf(err) != fault.Internal || code == BadRequest {
		code = PermissionDenied
	}
	return &Failure{code, text}
}

// downloadURI says where the bytes of a version are. Who asks is about to read them: when that is a process of a run, the run has read
// the version.
func downloadURI(s *Server, c *call) (any, error) {
	_, v, err := s.existingVersion(c)
	if err != nil {
		return nil, err
	}
	uri := v.Source
	if !v.Root.IsZero() {
		uri = versionURI(v.Record)
		s.used(c.ctx, v)
	}
	return map[string]string{"artifact_uri": uri}, nil
}

// used tells the run that its client is part of that it reads a version. A load does not fail over that: what still reads when the
// command is over is no part of the run.
func (s *Server) used(ctx context.Context, v *registry.Version) {
	if s.o.Joined == nil {
		return
	}
	id := s.o.Joined()
	if id.IsZero() || v.Run != nil && *v.Run == id {
		return
	}
	u := run.UsedModel{Model: v.Model, Version: v.Version, Record: v.Record, Root: v.Root}
	s.trouble(s.tell(ctx, id, run.Entry{Used: []run.UsedModel{u}}))
}

// versionShelf finds the bytes of a registered version by its record.
func (s *Server) versionShelf(ctx context.Context, record string) (shelf, error) {
	id, err := parseHex(record)
	if err != nil {
		return shelf{}, err
	}
	v, err := s.o.Registry.VersionOf(ctx, id)
	if fault.KindOf(err) == fault.NotFound || err == nil && v.Root.IsZero() {
		return shelf{}, failf(ResourceDoesNotExist, "No version of a model has its bytes at '%s'", record)
	}
	if err != nil {
		return shelf{}, err
	}
	return shelf{kept: []kept{{at: ".", root: v.Root}}}, nil
}
