package main

import (
	"cmp"
	"context"
	"encoding/json"
	"path"
	"path/filepath"
	"slices"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/snapshot"
	"mlx/internal/train"
	"mlx/internal/train/slurm"
)

// warnBefore is how long before the time limit of a backend the command is warned by a signal, where the limit leaves time for it.
const warnBefore = time.Minute

// onJob is a run on a backend: from its plan to its end.
type onJob struct {
	app     *app
	repo    *repo.Repo
	store   *snapshot.Store
	name    string // of the backend
	backend repo.Backend
	driver  train.Driver
	linker  train.Linker // nil: nodes of it cannot be reached
	plan    train.Plan
	secrets map[string]string
	seat    *train.Turn // with the jobs that are submitted together with it; nil for none
	apart   bool        // its outputs stay in the store
	price   train.Price // of the job, when it is planned
	stays   bool        // what its command puts into the store is not brought here, once a remote has it

	id   object.Digest // of the run, once it is recorded
	body run.Body      // of its first record
	free []func() error
}

// release lets gc have what was saved and is named by a record now, or by none.
func (j *onJob) release() {
	j.app.free(j.free)
	j.free = nil
}

// openJob finds out what drives a backend.
func (a *app) openJob(ctx context.Context, name string) (*onJob, error) {
	j := &onJob{app: a, name: name}
	var err error
	if j.repo, err = a.repo(); err != nil {
		return nil, err
	}
	if j.store, err = a.store(); err != nil {
		return nil, err
	}
	if j.driver, j.backend, err = a.driver(ctx, name); err != nil {
		return nil, err
	}
	j.linker, _ = j.driver.(train.Linker)
	return j, nil
}

func (j *onJob) access() train.Access {
	if j.linker == nil {
		return train.AccessNone
	}
	return j.linker.Access()
}

// planOn says what a run on a backend is made of, saves what of it is in no snapshot yet, and puts it into spec. Nothing is recorded, and
// nothing leaves this machine.
func (a *app) planOn(ctx context.Context, spec *run.Spec, ask onAsk) (*onJob, error) {
	j, err := a.openJob(ctx, ask.Backend)
	if err != nil {
		return nil, err
	}
	names := slices.Compact(slices.Sorted(slices.Values(slices.Concat(j.backend.Secrets, ask.Secrets))))
	if j.secrets, err = a.secretValues(names); err != nil {
		return nil, err
	}
	if err := j.ask(ctx, spec, ask); err != nil {
		return nil, err
	}
	if ask.Links != nil { // not before it is known that it may go there
		ask.Links.begin(ctx, *j)
	}
	if spec.Job.Tree = ask.Tree; ask.Tree.IsZero() {
		if spec.Job.Tree, err = j.keepTree(ctx, spec, ask.Aside); err != nil {
			j.release()
			return nil, err
		}
	}
	err = j.fill(ctx, spec.Used)
	if err == nil && ask.Planned != nil {
		err = ask.Planned(ctx)
	}
	if err != nil {
		j.release()
		return nil, err
	}
	j.seat, j.apart, j.stays = ask.Seat, ask.Apart, ask.Stays
	return j, nil
}

// without lets paths count as data, which does not travel with the work tree.
func without(spec run.Spec, aside []string) run.Spec {
	spec.Data = slices.Clone(spec.Data)
	for _, p := range aside {
		spec.Data = append(spec.Data, run.Data{Path: p})
	}
	return spec
}

// keepTree saves the work tree without some paths, and what of the code no commit holds.
func (j *onJob) keepTree(ctx context.Context, spec *run.Spec, aside []string) (object.Digest, error) {
	tree, err := j.app.treeOf(ctx, j.repo, without(*spec, aside))
	if err != nil {
		return object.Digest{}, err
	}
	saved, err := j.app.saveTree(ctx, j.repo, tree)
	if err != nil {
		return object.Digest{}, err
	}
	j.free = append(j.free, saved.Release, keepFiles(ctx, j.repo, j.store, &spec.Code))
	j.app.noteLeftOut(ctx, spec.Code, spec.Worktree)
	return saved.Root, nil
}

// ask writes down what is asked of the backend: the job of the record, without the version of the work tree.
func (j *onJob) ask(ctx context.Context, spec *run.Spec, ask onAsk) error {
	b := j.backend
	clone, err := j.repo.CloneID()
	if err != nil {
		return err
	}
	r := ask.Resources.Or(resourcesOf(b.Resources))
	job := &run.Job{
		Backend: j.name, Type: b.Type, Spot: ask.Spot || b.Spot, Image: cmp.Or(ask.Image, b.Image), Queue: cmp.Or(ask.Queue, b.Queue),
		Retries: ask.Retries, RetryOn: ask.RetryOn, Secrets: sortedKeys(j.secrets), Region: b.Region, Env: spec.Env,
		MetricFiles: ask.MetricFiles, Versions: ask.Versions, SubmittedAt: j.app.now().UTC().Truncate(time.Microsecond), Clone: clone,
	}
	j.price = j.askPrice(ctx, r, job)
	if err := j.afford(&r, ask.MaxCost, job); err != nil {
		return err
	}
	job.Price, job.Power = recordedPrice(j.price), recordedPower(b.Power)
	job.Nodes, job.Ranks, job.GPUs, job.GPUType, job.CPUs, job.MemoryBytes = max(1, r.Nodes), r.Ranks, r.GPUs, r.GPUType, r.CPUs, r.Memory
	job.TimeS = r.Time.Seconds()
	// The agent holds the limit, whatever the backend does: that may come later, by whole minutes, and leave few seconds for outputs.
	spec.Timeout = shorterOf(spec.Timeout, r.Time)
	if ask.Resume != "" {
		from, err := j.app.checkpointOf(ctx, ask.Resume)
		if err != nil {
			return err
		}
		job.Resume = &from
	}
	spec.Job, spec.Environment = job, nil
	j.body = run.Body{
		Command: spec.Command, Name: spec.Name, Stage: spec.Stage, Data: spec.Data, Used: spec.Used, Job: job, Worktree: spec.Worktree,
	}
	for _, o := range spec.Outs {
		j.body.Outs = append(j.body.Outs, o.Path)
	}
	return j.mayGo(ctx)
}

// resourcesOf are resources of mlx.yaml in the words of drivers.
func resourcesOf(r repo.Resources) train.Resources {
	return train.Resources{
		Nodes: r.Nodes, Ranks: r.Ranks, GPUs: r.GPUs, GPUType: r.GPUType, CPUs: r.CPUs, Memory: int64(r.Memory), Time: r.Time.Duration,
	}
}

// fill makes the plan of the job that the body describes. It is the same whoever makes it, and when.
func (j *onJob) fill(ctx context.Context, used []run.UsedModel) error {
	b, job := j.backend, j.body.Job
	cfg, err := j.app.config()
	if err != nil {
		return err
	}
	p := train.Plan{Access: j.access(), Remote: b.Remote}
	p.Order = train.Order{
		Kind: "order/v1", Ledger: cfg.Ledger, Tree: job.Tree, Secrets: job.Secrets, Setup: b.Setup, Nodes: max(1, job.Nodes), Ranks: max(1, job.Ranks),
		Retries: train.Retries{Most: job.Retries, On: job.RetryOn}, Grace: runGrace, Resume: job.Resume, Region: b.Region,
		RunsSettings: train.OrderRuns{Env: cfg.Runs.Env, MLflow: cfg.Runs.MLflow},
	}
	for _, name := range b.Env.Names() {
		v, _ := b.Env.Get(name)
		p.Order.Env = append(p.Order.Env, name+"="+v.Value)
	}
	p.Order.Env = append(p.Order.Env, job.Env...)
	if b.Type == "slurm" && job.Image != "" {
		p.Order.Wrap = slurm.Wrap(job.Image, job.GPUs > 0)
	}
	if p.Access == train.AccessNode {
		p.Order.Hold = cmp.Or(b.Hold.Duration, time.Hour)
	}
	if b.Remote != "" {
		remote, _, err := j.app.trustedRemote(ctx, b.Remote)
		if err != nil {
			return err
		}
		p.Order.Remote, p.Order.Encrypt = remote.URL, len(remote.Encrypt) > 0
	}
	p.Job = train.Job{
		Title: j.title(), Resources: resourcesIn(job), Queue: job.Queue, Image: job.Image, Spot: job.Spot, Requeue: job.Retries > 0,
	}
	if p.Job.Resources.Time > 5*warnBefore {
		p.Job.Warn = warnBefore
	}
	j.plan = p
	if err := j.inputs(ctx, used); err != nil {
		return err
	}
	return j.plan.Check(j.name)
}

// resourcesIn are those that a record says.
func resourcesIn(job *run.Job) train.Resources {
	return train.Resources{
		Nodes: max(1, job.Nodes), Ranks: max(1, job.Ranks), GPUs: job.GPUs, GPUType: job.GPUType, CPUs: job.CPUs, Memory: job.MemoryBytes,
		Time: time.Duration(job.TimeS * float64(time.Second)),
	}
}

// title is what people who look at the backend read of the job.
func (j *onJob) title() string {
	what := path.Base(filepath.ToSlash(j.body.Command[0]))
	switch {
	case j.body.Stage != nil:
		what = j.body.Stage.Name
	case j.body.Name != "":
		what = j.body.Name
	}
	return what + " of " + filepath.Base(j.repo.Root)
}

// inputs lists the versions that the job needs, code first: it is what most often changes.
func (j *onJob) inputs(ctx context.Context, used []run.UsedModel) error {
	add := func(what string, root object.Digest) {
		in := train.Input{What: what, Root: root}
		if s, err := j.store.Stat(ctx, root); err == nil { // else the remote has it
			in.Files, in.Bytes = s.Files, s.Bytes
		}
		j.plan.Inputs = append(j.plan.Inputs, in)
	}
	add("work tree", j.body.Job.Tree)
	for _, d := range j.body.Data {
		add(d.Path, d.Root)
	}
	for _, u := range used {
		_, v, err := j.app.modelVersion(ctx, target{Kind: refModel, ID: u.Record})
		if err != nil {
			return err
		}
		add(v.Name(), u.Root)
		j.plan.Order.Models = append(j.plan.Order.Models, orderModel(v, len(used) == 1))
	}
	if from := j.body.Job.Resume; from != nil {
		add("checkpoint", *from)
	}
	for _, v := range j.body.Job.Versions {
		add("version "+v.Short(), v)
	}
	return nil
}

// orderModel is a version of a model as the agent lays it out: its name is the path, below a folder of the agent's.
func orderModel(v *registry.Version, only bool) train.OrderModel {
	m := train.OrderModel{
		Name: v.Name() + "/" + path.Base(path.Join("/", v.Path)), Root: v.Root, Kind: v.Kind, Env: []string{modelVariable + "_" + variableWord(v.Model)},
	}
	if only {
		m.Env = append(m.Env, modelVariable)
	}
	return m
}

// describe is what the driver would hand to the backend.
func (j *onJob) describe() (string, error) {
	if d, ok := j.driver.(train.Describer); ok {
		return d.Describe(j.plan.Job)
	}
	text, err := json.MarshalIndent(struct {
		Name      string          `json:"name"`
		Title     string          `json:"title"`
		Dir       string          `json:"dir"`
		Resources train.Resources `json:"resources"`
		Queue     string          `json:"queue,omitempty"`
		Image     string          `json:"image,omitempty"`
		Spot      bool            `json:"spot,omitempty"`
	}{j.plan.Job.Name(), j.plan.Job.Title, j.plan.Job.Dir, j.plan.Job.Resources, j.plan.Job.Queue, j.plan.Job.Image, j.plan.Job.Spot}, "", "  ")
	return string(text), err
}

// mayGo refuses data that has to stay in another region than that of the backend.
func (j *onJob) mayGo(ctx context.Context) error {
	l, err := j.app.ledger()
	if err != nil {
		return err
	}
	said, err := tags(ctx, l)
	if err != nil {
		return err
	}
	where := "is in no region"
	if j.backend.Region != "" {
		where = "is in region " + j.backend.Region
	}
	refuse := func(name string, root object.Digest) error {
		for _, t := range said[root] {
			if t.Name == regionTag && t.Value != j.backend.Region {
				return fault.New(fault.Denied, "cannot run on %s: %s, version %s, has to stay in region %s, and the backend %s", j.name, j.app.shown(name), root.Short(), t.Value, where).
					About(fault.Ref{Kind: refSnapshot, ID: root.Hex(), Name: name}).Hint("mlx run --on NAME …   # a backend with region: %s", t.Value)
			}
		}
		return nil
	}
	for _, d := range j.body.Data {
		if err := refuse(d.Path, d.Root); err != nil {
			return err
		}
	}
	for _, u := range j.body.Used {
		if err := refuse(u.Model, u.Root); err != nil {
			return err
		}
	}
	return nil
}

// checkpointOf is the snapshot of the checkpoint folder that a run has left.
func (a *app) checkpointOf(ctx context.Context, ref string) (object.Digest, error) {
	t, err := a.resolve(ctx, ref, refRun)
	if err != nil {
		return object.Digest{}, err
	}
	v, err := a.runOf(ctx, t)
	if err != nil {
		return object.Digest{}, err
	}
	if v.Job == nil || v.Job.Checkpoint == nil {
		return object.Digest{}, fault.New(fault.NotFound, "cannot resume run %s: it left no checkpoint", v.RunID.Short()).
			Hint("mlx show %s   # what it left; a command writes below $MLX_CHECKPOINT", v.RunID.Short())
	}
	return *v.Job.Checkpoint, nil
}

// money is an amount as people write it.
func money(amount float64, currency string) string { return amountWords(amount) + " " + currency }

// amountWords writes an amount of money with a few digits. Nobody pays 6.9e-07 EUR: the smallest have all their zeros.
func amountWords(amount float64) string {
	if amount > 0 && amount < 1e-4 {
		return train.Plain(amount, 2)
	}
	return cli.FormatFloat(amount)
}
