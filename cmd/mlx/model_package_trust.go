package main

import (
	"context"
	"path/filepath"

	"mlx/internal/fault"
	"mlx/internal/image"
	"mlx/internal/lineage"
	"mlx/internal/repo"
)

// A record of somebody else's must not make this machine call an address or read a file. So a registry, or a file outside the repository,
// that only a record names is asked for a package once its user has allowed it: by typing it, or by mlx trust.

// placeItem is what must be allowed before a package is looked for in a place; false: it lies in the repository.
func placeItem(at image.At) (repo.TrustItem, bool) {
	name := at.Name
	if at.Kind == image.InFile {
		if filepath.IsLocal(filepath.FromSlash(name)) {
			return repo.TrustItem{}, false
		}
	} else if host, err := image.RegistryHost(name); err == nil {
		name = host // who runs a registry is asked for all that lies there
	}
	return repo.TrustItem{Kind: repo.TrustPlace, Name: name, Value: name}, true
}

// mayReach refuses a place that nobody has allowed here.
func (a *app) mayReach(at image.At) error {
	item, outside := placeItem(at)
	if !outside {
		return nil
	}
	t, err := a.allowed()
	if err != nil || t.Approved(item.Kind, item.Name, item.Value) {
		return err
	}
	return fault.New(fault.Denied, "cannot look for a package in %s: a record names it, and you have not allowed it here", item.Name).
		Hint("mlx trust   # shows it and asks")
}

// typedPlaces remembers the places that were typed: to name one is to allow it.
func (a *app) typedPlaces(o modelPackageOptions, places []image.At) {
	if o.from != "" && o.out == "" && o.push == "" {
		from := image.Place(o.from)
		if from.Kind == image.InFile {
			if of, err := a.packagePlaces(modelPackageOptions{out: from.Name}, nil); err == nil {
				from = of[0]
			}
		}
		places = append(places[:len(places):len(places)], from)
	}
	var items []repo.TrustItem
	for _, at := range places {
		if item, outside := placeItem(at); outside {
			items = append(items, item)
		}
	}
	t, err := a.allowed()
	if err == nil && len(items) > 0 {
		err = t.Approve(items...)
	}
	if err != nil {
		a.streams.Why("%v", err) // mlx trust asks
	}
}

// placeItems lists the places outside the repository that records name.
func (a *app) placeItems(ctx context.Context) ([]repo.TrustItem, error) {
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	var all []repo.TrustItem
	seen := map[repo.TrustItem]bool{}
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"image"}, All: true}) {
		if err != nil {
			return nil, err
		}
		if !image.Packaged.Is(rec) {
			continue
		}
		body, err := image.Packaged.Decode(rec)
		if err != nil {
			return nil, err
		}
		if body.Place == nil {
			continue
		}
		if item, outside := placeItem(*body.Place); outside && !seen[item] {
			seen[item] = true
			all = append(all, item)
		}
	}
	return all, nil
}
