package main

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/repo"
	"mlx/internal/train"
)

func newBackend(a *app) *cobra.Command {
	return noun("backend", "List and try the machines that runs can use", newBackendList(a), newBackendCheck(a))
}

// backendView is a row of `mlx backend list`. A field is never left out.
type backendView struct {
	Kind      string               `json:"kind"`
	Name      string               `json:"name"`
	Type      string               `json:"type"`
	Where     string               `json:"where"` // host, URL, or context and namespace; empty is this machine
	Region    *string              `json:"region"`
	Queue     *string              `json:"queue"`
	Image     *string              `json:"image"`
	Spot      bool                 `json:"spot"`
	Remote    *string              `json:"remote"`
	Resources backendResourcesView `json:"resources"`
	Price     *string              `json:"price"`
	PriceFrom *string              `json:"price_from"` // mlx.yaml, or backend: it is asked when a run is submitted; null: nobody knows it
	Source    string               `json:"source"`     // mlx.yaml, own, mlx.yaml and own, or built in
	Trusted   bool                 `json:"trusted"`
}

// backendResourcesView is what a run gets there when it asks for nothing; null is up to the backend.
type backendResourcesView struct {
	Nodes       *int     `json:"nodes"`
	GPUs        *int     `json:"gpus"`
	GPUType     *string  `json:"gpu_type"`
	CPUs        *int     `json:"cpus"`
	MemoryBytes *int64   `json:"memory_bytes"`
	TimeS       *float64 `json:"time_s"`
}

// orNull returns a pointer to a value, or nil for one that was not given.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func viewOfBackend(name string, b repo.Backend) backendView {
	r := b.Resources
	v := backendView{
		Kind: "backend/v1", Name: name, Type: b.Type, Where: whereIs(b), Region: orNull(b.Region), Queue: orNull(b.Queue), Image: orNull(b.Image),
		Spot: b.Spot, Remote: orNull(b.Remote), Price: orNull(priceWords(costOf(b.Price))),
		Resources: backendResourcesView{Nodes: orNull(r.Nodes), GPUs: orNull(r.GPUs), GPUType: orNull(r.GPUType), CPUs: orNull(r.CPUs),
			MemoryBytes: orNull(int64(r.Memory)), TimeS: orNull(r.Time.Seconds())},
	}
	switch {
	case v.Price != nil:
		v.PriceFrom = orNull(repo.ConfigName)
	case b.Type == "sky":
		v.PriceFrom = orNull("backend")
	}
	return v
}

// priceCell is the price of a table of backends.
func (v backendView) priceCell() cli.Cell {
	switch {
	case v.Price != nil:
		return cli.Str(*v.Price)
	case v.PriceFrom != nil:
		return cli.Shown(cli.RoleDim, "asked of "+v.Type)
	}
	return cli.None()
}

// whereIs is where a backend is, in the words of its type.
func whereIs(b repo.Backend) string {
	switch {
	case len(b.Hosts) > 0:
		return strings.Join(b.Hosts, ", ")
	case b.Host != "":
		return b.Host
	case b.URL != "":
		return b.URL
	case b.Namespace != "" && b.Context != "":
		return b.Context + "/" + b.Namespace
	}
	return b.Context + b.Namespace
}

func priceWords(p train.Price) string {
	var all []string
	for _, part := range []struct {
		amount float64
		what   string
	}{{p.GPUHour, "GPU hour"}, {p.CPUHour, "CPU hour"}, {p.MemoryHour, "GiB hour"}, {p.NodeHour, "node hour"}} {
		if part.amount != 0 {
			all = append(all, moneyWords(repo.Money{Amount: part.amount, Currency: p.Currency})+" a "+part.what)
		}
	}
	return strings.Join(all, ", ")
}

// moneyWords writes an amount as people do: two digits, or as many as it has.
func moneyWords(m repo.Money) string {
	text := strconv.FormatFloat(m.Amount, 'f', -1, 64)
	if two := strconv.FormatFloat(m.Amount, 'f', 2, 64); len(text) < len(two) {
		text = two
	}
	return text + " " + m.Currency
}

// readBackends reads all backends, those of mlx.yaml first, then the user's own, then this machine.
func (a *app) readBackends() (repo.Map[repo.Backend], error) {
	r, err := a.repo()
	if err != nil {
		return repo.Map[repo.Backend]{}, err
	}
	c, err := a.config()
	if err != nil {
		return repo.Map[repo.Backend]{}, err
	}
	return r.OwnBackends(c, userDir())
}

// backendViews describes all backends.
func (a *app) backendViews() ([]backendView, error) {
	all, err := a.backends()
	if err != nil {
		return nil, err
	}
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	t, err := a.allowed()
	if err != nil {
		return nil, err
	}
	var views []backendView
	for name, b := range all.All() {
		v := viewOfBackend(name, b)
		committed, shared := c.Backends.Get(name)
		v.Source, v.Trusted = "own", true
		if shared {
			value := committed.TrustValue()
			v.Source, v.Trusted = repo.ConfigName, value == "" || t.Approved(repo.TrustBackend, name, value)
		}
		views = append(views, v)
	}
	if !slices.ContainsFunc(views, func(v backendView) bool { return v.Name == localBackend }) {
		v := viewOfBackend(localBackend, repo.Backend{Type: "local"})
		v.Source, v.Trusted = "built in", true
		views = append(views, v)
	}
	return views, nil
}

// backendNames are the names of all backends.
func (a *app) backendNames() ([]string, error) {
	views, err := a.backendViews()
	var names []string
	for _, v := range views {
		names = append(names, v.Name)
	}
	return names, err
}

func newBackendList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the machines that runs can use",
		Long: `Those of mlx.yaml, those of your own files (backends.yaml beside your settings, and in the state folder of this project), which also change
single keys of the others, and this machine, called local. No connection is opened: mlx backend check tries one.`,
		Example: "mlx backend list\nmlx backend list --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			views, err := a.backendViews()
			if err != nil {
				return err
			}
			return a.streams.List([]string{"NAME", "TYPE", "WHERE", "GIVES", "PRICE", "FROM", "HERE"}, backendRows(views))
		},
	}
}

func backendRows(views []backendView) iter.Seq2[cli.Item, error] {
	return func(yield func(cli.Item, error) bool) {
		for _, v := range views {
			here := cli.Word(cli.RoleWarn, "not allowed")
			if v.Trusted {
				here = cli.Word(cli.RolePass, "allowed")
			}
			where := cli.None()
			if v.Where != "" {
				where = cli.Str(v.Where)
			}
			cells := []cli.Cell{cli.Str(v.Name), cli.Str(v.Type), where, v.Resources.cell(), v.priceCell(), cli.Str(v.Source), here}
			if !yield(cli.Item{Value: v, Cells: cells}, nil) {
				return
			}
		}
	}
}

// cell says in a few words what a run gets.
func (r backendResourcesView) cell() cli.Cell {
	var words []string
	count := func(n *int, what string) {
		if n != nil {
			words = append(words, cli.FormatNum(int64(*n), what))
		}
	}
	count(r.Nodes, "node")
	if r.GPUType != nil && r.GPUs != nil {
		words = append(words, cli.FormatNum(int64(*r.GPUs), *r.GPUType+" GPU"))
	} else {
		count(r.GPUs, "GPU")
	}
	count(r.CPUs, "CPU")
	if r.MemoryBytes != nil {
		words = append(words, cli.FormatBytes(*r.MemoryBytes))
	}
	if r.TimeS != nil {
		words = append(words, cli.FormatDuration(time.Duration(*r.TimeS*float64(time.Second))))
	}
	if len(words) == 0 {
		return cli.None()
	}
	return cli.Str(strings.Join(words, ", "))
}

// completeBackends offers the backends.
func (a *app) completeBackends(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	views, err := a.backendViews()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []string
	for _, v := range views {
		all = append(all, v.Name+"\t"+strings.Join([]string{v.Type, v.Where}, " "))
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// showBackend shows what runs on a backend get, and what this clone remembers of it.
func (a *app) showBackend(_ context.Context, name string) error {
	views, err := a.backendViews()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(views, func(v backendView) bool { return v.Name == name })
	if i < 0 {
		return noBackend(name, nil)
	}
	v := views[i]
	return a.streams.Emit(v, func(t *cli.Text) { backendText(v, t) })
}

func backendText(v backendView, t *cli.Text) {
	t.Line(cli.Str("backend"), cli.Str(v.Name), cli.Str(v.Type), cli.Str(v.Where))
	line := func(key string, value *string) {
		if value != nil {
			t.KeyValue(2, key, cli.Str(*value))
		}
	}
	t.KeyValue(2, "gives", v.Resources.cell())
	line("region", v.Region)
	line("queue", v.Queue)
	line("image", v.Image)
	line("remote", v.Remote)
	if v.Price != nil || v.PriceFrom != nil && t.TTY() {
		t.KeyValue(2, "price", v.priceCell())
	}
	if v.Spot {
		t.KeyValue(2, "spot", cli.Str("machines may be taken away"))
	}
	from := v.Source
	if !v.Trusted {
		from += ", not allowed here: mlx trust"
	}
	t.KeyValue(2, "from", cli.Str(from))
}
