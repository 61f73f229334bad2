package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/snapshot"
	"mlx/internal/train"
	"mlx/internal/train/ray"
)

type agentUnpackOptions struct {
	dir string
	run bool
}

func newAgentUnpack(a *app) *cobra.Command {
	var o agentUnpackOptions
	cmd := &cobra.Command{
		Use:   "unpack DIR",
		Short: "Make the folder of a job from the packages that Ray brought with it",
		Long: `Ray lays out the packages of a job on its node and names them in PYTHONPATH. What is in them goes into DIR, the folder of the
job, and its versions into the store beside it. With --run the job is executed then, by mlx agent run.`,
		Example:     "mlx agent unpack root/of/node/jobs/1",
		Args:        cobra.ExactArgs(1),
		Annotations: map[string]string{troubleStatus: "125", needsNothing: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.dir = args[0]
			return agentUnpackRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVar(&o.run, "run", false, "execute the job then")
	return cmd
}

func agentUnpackRun(ctx context.Context, a *app, o agentUnpackOptions) error {
	dir, err := nodeRoot(o.dir)
	if err != nil {
		return err
	}
	p, err := ray.Unpack(a.environ)
	if err != nil {
		return err
	}
	if err := unpackInto(ctx, a, dir, &p); err != nil {
		return err
	}
	if !o.run {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot find this mlx: %w", err)
	}
	// This process becomes the agent: the signals of Ray go to the one that it started.
	err = syscall.Exec(self, []string{self, "agent", "run", dir}, append(p.Environ, p.Env...))
	return fault.New(fault.KindOf(err), "cannot start the agent: %w", err)
}

// unpackInto lays the folder of a job. Several ranks on one node may do it at once, and a job that was laid is left as it is.
func unpackInto(ctx context.Context, a *app, dir string, p *ray.Packed) error {
	order, err := train.ParseOrder(p.Order)
	if err != nil {
		return err
	}
	if filepath.Base(dir) != order.Run.Hex() {
		return fault.New(fault.Integrity, "cannot unpack job %s into %s", order.Run.Short(), dir)
	}
	if _, err := os.Stat(filepath.Join(dir, train.ReadyName)); err == nil {
		if len(order.Former) > 0 { // it was handed over again, and knows more now
			if err := errors.Join(unpackBundle(ctx, a, filepath.Dir(filepath.Dir(dir)), p), putFile(dir, train.OrderName, p.Order)); err != nil {
				return err
			}
		}
		return p.Forget()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.New(fault.KindOf(err), "cannot unpack job %s: %w", order.Run.Short(), err)
	}
	if err := unpackBundle(ctx, a, filepath.Dir(filepath.Dir(dir)), p); err != nil {
		return err
	}
	if p.Secrets != nil {
		if err := putFile(dir, train.SecretsName, p.Secrets); err != nil {
			return err
		}
	}
	if err := p.Forget(); err != nil {
		return err
	}
	if err := putFile(dir, train.OrderName, p.Order); err != nil {
		return err
	}
	return putFile(dir, train.ReadyName, nil)
}

// unpackBundle takes the versions that came with a job into the store of the node.
func unpackBundle(ctx context.Context, a *app, root string, p *ray.Packed) error {
	r := p.Bundle()
	if r == nil {
		return nil
	}
	defer r.Close()
	store, err := a.nodeStore(root)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }() // what it wrote is durable
	got, err := store.ReadBundle(ctx, r, snapshot.TakeOptions{})
	if err != nil {
		return err
	}
	return got.Release()
}

// putFile writes a file that only its owner may read, all of it or nothing.
func putFile(dir, name string, text []byte) error {
	f, err := os.CreateTemp(dir, "."+name+"-*")
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot write %s: %w", filepath.Join(dir, name), err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fault.New(fault.KindOf(err), "cannot write %s: %w", filepath.Join(dir, name), err)
	}
	return nil
}
