package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/remote"
	"mlx/internal/run"
	"mlx/internal/snapshot"
	"mlx/internal/train"
)

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// jobFolderMain does what a client does before an agent starts: it records the start of a run in the project of the current folder,
// brings what the run needs into the store of a node and writes the order. It prints the folder of the job.
func jobFolderMain() {
	dir, err := jobFolder(context.Background(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	fmt.Println(dir)
}

// meetMain is a process of a distributed training: they all meet at MASTER_ADDR. The rank that its argument names gives up instead.
func meetMain() {
	rank, world := os.Getenv("RANK"), os.Getenv("WORLD_SIZE")
	if len(os.Args) > 1 && os.Args[1] == rank {
		fmt.Printf("rank %s gives up\n", rank)
		os.Exit(3)
	}
	if err := meet(rank, world, net.JoinHostPort(os.Getenv("MASTER_ADDR"), os.Getenv("MASTER_PORT"))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func meet(rank, world, address string) error {
	if rank != "0" {
		for {
			c, err := net.Dial("tcp", address)
			if err != nil {
				time.Sleep(20 * time.Millisecond) // rank 0 is not there yet
				continue
			}
			_, err = fmt.Fprintln(c, rank)
			_, errRead := c.Read(make([]byte, 1)) // until all are there
			return errors.Join(err, errRead)
		}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	met := []string{rank}
	var all []net.Conn
	for fmt.Sprint(len(met)) != world {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		var other string
		if _, err := fmt.Fscanln(c, &other); err != nil {
			return err
		}
		met, all = append(met, other), append(all, c)
	}
	slices.Sort(met)
	fmt.Println("met", strings.Join(met, " "), "of", world)
	for _, c := range all {
		if _, err := c.Write([]byte{1}); err != nil {
			return err
		}
	}
	return nil
}

func jobFolder(ctx context.Context, args []string) (string, error) {
	if len(args) == 2 && args[0] == "--collect" {
		a := newApp(nil, cli.Discard())
		defer a.close()
		v, err := runOfJob(ctx, a, args[1])
		if err != nil {
			return "", err
		}
		text, err := json.Marshal(v)
		return string(text), err
	}
	var outs, data, env, secrets, setup, wrap, on list
	f := flag.NewFlagSet("jobfolder", flag.ContinueOnError)
	root := f.String("root", "", "of the node")
	nodes := f.Int("nodes", 1, "")
	ranks := f.Int("ranks", 1, "")
	retries := f.Int("retries", 0, "")
	grace := f.Duration("grace", 5*time.Second, "")
	hold := f.Duration("hold", 0, "")
	limit := f.Duration("time", 0, "")
	remote := f.String("remote", "", "")
	later := f.Bool("later", false, "not ready yet")
	folder := f.String("folder", ".", "")
	f.Var(&outs, "o", "output")
	f.Var(&data, "d", "data")
	dataAt := f.String("data-at", "", "PATH=FOLDER")
	push := f.String("push", "", "to this remote, and nothing into the store of the node")
	f.Var(&env, "env", "NAME=VALUE")
	f.Var(&secrets, "secret", "NAME=VALUE")
	f.Var(&setup, "setup", "line")
	f.Var(&wrap, "wrap", "word")
	f.Var(&on, "on", "exit status worth a retry")
	if err := f.Parse(args); err != nil {
		return "", err
	}
	a := newApp(nil, cli.Discard())
	defer a.close()
	r, err := a.repo()
	if err != nil {
		return "", err
	}
	node, err := snapshot.Open(snapshot.Options{Dir: filepath.Join(*root, "store"), Index: filepath.Join(r.Tmp(), "index"), Now: time.Now})
	if *push != "" {
		node, err = a.store()
	}
	if err != nil {
		return "", err
	}
	skip := append([]string{".git", ".mlx"}, data...)
	tree, err := node.Save(ctx, snapshot.SaveOptions{Path: r.Root, Once: true, Ignore: func(rel string, _ bool) bool { return slices.Contains(skip, rel) }})
	if err != nil {
		return "", err
	}
	spec := run.Spec{Command: f.Args(), Folder: *folder, Timeout: *limit, Job: &run.Job{
		Backend: "here", Type: "local", Nodes: *nodes, Ranks: *ranks, Retries: *retries, Tree: tree.Root, SubmittedAt: time.Now().UTC().Truncate(time.Second),
	}}
	for _, path := range data {
		saved, err := node.Save(ctx, snapshot.SaveOptions{Path: r.Abs(path), Once: true})
		if err != nil {
			return "", err
		}
		spec.Data = append(spec.Data, run.Data{Path: path, Root: saved.Root, Kind: string(saved.Summary.Kind)})
	}
	if path, from, ok := strings.Cut(*dataAt, "="); ok {
		saved, err := node.Save(ctx, snapshot.SaveOptions{Path: from, Once: true})
		if err != nil {
			return "", err
		}
		spec.Data = append(spec.Data, run.Data{Path: path, Root: saved.Root, Kind: string(saved.Summary.Kind)})
	}
	for _, out := range outs {
		spec.Outs = append(spec.Outs, run.Out{Path: out})
	}
	runner, err := a.runner()
	if err != nil {
		return "", err
	}
	start, err := runner.Submit(ctx, spec)
	if err != nil {
		return "", err
	}
	if *push != "" {
		if err := pushForJob(ctx, a, *push, spec); err != nil {
			return "", err
		}
	}
	cfg, err := a.config()
	if err != nil {
		return "", err
	}
	o := train.Order{Kind: "order/v1", Run: start.ID, Ledger: cfg.Ledger, Start: start.Raw, Tree: tree.Root, Env: env, Setup: setup, Wrap: wrap,
		Nodes: *nodes, Ranks: *ranks, Retries: train.Retries{Most: *retries}, Grace: *grace, Hold: *hold, Remote: *remote}
	for _, word := range on {
		var n int
		if _, err := fmt.Sscan(word, &n); err != nil {
			return "", err
		}
		o.Retries.On = append(o.Retries.On, n)
	}
	for _, s := range secrets {
		name, _, _ := strings.Cut(s, "=")
		o.Secrets = append(o.Secrets, name)
	}
	return writeJobFolder(*root, o, secrets, *later)
}

func writeJobFolder(root string, o train.Order, secrets []string, later bool) (string, error) {
	dir := filepath.Join(root, "jobs", o.Run.Hex())
	text, err := json.Marshal(o)
	if err == nil {
		err = errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, train.OrderName), text, 0o600))
	}
	if err == nil && len(secrets) > 0 {
		err = os.WriteFile(filepath.Join(dir, train.SecretsName), train.FormatSecrets(secrets), 0o600)
	}
	if err == nil && !later {
		err = os.WriteFile(filepath.Join(dir, train.ReadyName), nil, 0o600)
	}
	return dir, err
}

// resultOfJob reads result.json.
func resultOfJob(dir string) (train.Result, error) {
	text, err := os.ReadFile(filepath.Join(dir, train.ResultName))
	if err != nil {
		return train.Result{}, err
	}
	return train.ParseResult(text)
}

// runOfJob collects the records of a job into the project of the app, as a client does, and returns the record of its end.
func runOfJob(ctx context.Context, a *app, dir string) (run.Body, error) {
	r, err := resultOfJob(dir)
	if err != nil {
		return run.Body{}, err
	}
	l, err := a.ledger()
	if err != nil {
		return run.Body{}, err
	}
	for _, pack := range r.Packs {
		data, err := os.ReadFile(filepath.Join(dir, train.RecordPack(pack)))
		if err != nil {
			return run.Body{}, err
		}
		if _, _, err := l.Import(ctx, data, pack); err != nil {
			return run.Body{}, err
		}
	}
	rec, err := l.Get(ctx, r.Record)
	if err != nil {
		return run.Body{}, err
	}
	return run.Ended.Decode(rec)
}

func pushForJob(ctx context.Context, a *app, name string, spec run.Spec) error {
	r, err := a.openRemote(ctx, name)
	if err != nil {
		return err
	}
	roots := []remote.Root{{Root: spec.Job.Tree, Path: "tree", Kind: snapshot.Directory}}
	for _, d := range spec.Data {
		roots = append(roots, remote.Root{Root: d.Root, Path: d.Path, Kind: snapshot.Kind(d.Kind)})
	}
	_, err = r.Push(ctx, remote.PushOptions{Roots: roots})
	return err
}
