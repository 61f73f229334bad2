package main

import (
	"context"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/registry"
)

// makersOf turns versions of models into the runs that made them, which differ in all that is worth telling. Where not every version
// has a run that is known here, the bytes themselves are compared.
func (a *app) makersOf(ctx context.Context, found []target) ([]target, error) {
	runs, bytes := make([]target, len(found)), make([]target, len(found))
	copy(runs, found)
	copy(bytes, found)
	known, models := true, 0
	for i, t := range found {
		if t.Kind != refModel {
			continue
		}
		models++
		if t.Inner != "" {
			known = false
		}
		_, v, err := a.modelVersion(ctx, t)
		if err != nil {
			return nil, err
		}
		made, err := a.viewOfMaker(ctx, v)
		if err != nil {
			return nil, err
		}
		if made == nil {
			known = false
			continue
		}
		runs[i] = target{Kind: refRun, ID: made.RunID, Name: v.Name(), Version: v}
	}
	if models == 0 {
		return found, nil
	}
	if known {
		return runs, nil
	}
	if len(found) == 1 {
		return nil, fault.New(fault.Usage, "cannot compare %s with what is here: no run is known that made it", found[0].short()).Hint("mlx diff A B")
	}
	for i, t := range bytes {
		var err error
		if bytes[i], err = a.versionBytes(ctx, t); err != nil {
			return nil, err
		}
	}
	return bytes, nil
}

// versionOrSelf is how a comparison names what it compares: a version as such, though its run is compared.
func versionOrSelf(t target) fault.Ref {
	if t.Version != nil {
		return refOfVersion(t.Version)
	}
	return t.ref()
}

// headOf is what stands over the column of a version; empty for what is called by its digest.
func headOf(t target) string {
	if t.Version != nil {
		return t.Version.Name()
	}
	return ""
}

// versionChanges compares two versions themselves.
func versionChanges(x, y *registry.Version) []valueChange {
	if x == nil || y == nil {
		return []valueChange{}
	}
	said := func(v *registry.Version) map[string]any {
		all := map[string]any{"digest": v.Digest.Hex(), "bytes": float64(v.Bytes), "files": float64(v.Files)}
		if v.Format != "" {
			all["format"] = v.Format
		}
		return all
	}
	return valueChanges(said(x), said(y))
}

// versionRows adds how two versions differ themselves.
func (c *comparison) versionRows(changes []valueChange) {
	for _, p := range changes {
		c.add("model", p.Key, versionCell(p.Key, p.A), versionCell(p.Key, p.B))
	}
}

// versionCell is a value of versionChanges.
func versionCell(key string, v any) cli.Cell {
	switch key {
	case "bytes":
		if n, ok := v.(float64); ok {
			return cli.Bytes(int64(n))
		}
	case "digest":
		return digestCell(v)
	}
	return cellOrNone(v)
}
