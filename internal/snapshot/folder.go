package snapshot

import (
	"context"
	"io/fs"

	"mlx/internal/object"
)

// Folder returns the version that a folder inside a version is by itself; "." names the version. A path that is no folder
// is fs.ErrNotExist.
func (s *Store) Folder(ctx context.Context, root object.Digest, name string) (object.Digest, error) {
	f, err := s.FS(ctx, root)
	if err != nil || name == "." {
		return root, err
	}
	t, ok := f.(*treeFS)
	if !ok {
		return object.Digest{}, fs.ErrInvalid
	}
	e, err := t.find("open", name)
	switch {
	case err != nil:
		return object.Digest{}, err
	case e.Kind != kindDirectory:
		return object.Digest{}, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case e.Recipe.IsZero():
		return e.Sum, nil
	}
	return e.Recipe, nil
}
