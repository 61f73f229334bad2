// Package buckettest hides how a place of objects is made that lies in memory, or that fails where a test wants it to.
package buckettest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/fault"
)

type memory struct {
	mu      sync.Mutex
	objects map[string]object
	writes  int64
}

type object struct {
	data     []byte
	modified time.Time
}

// Memory returns an empty driver that keeps objects in memory. Each write is a second later than the one before.
func Memory() bucket.Driver { return &memory{objects: make(map[string]object)} }

func (m *memory) Get(_ context.Context, key string, off, n int64) (io.ReadCloser, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return nil, 0, fault.New(fault.NotFound, "no object %s: %w", key, fs.ErrNotExist)
	}
	size := int64(len(o.data))
	if off > size {
		return nil, 0, fault.New(fault.Integrity, "the object has %d bytes, none at %d", size, off)
	}
	rest := o.data[off:]
	if n >= 0 {
		rest = rest[:min(n, int64(len(rest)))]
	}
	return io.NopCloser(bytes.NewReader(rest)), size, nil
}

func (m *memory) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, absent bool) error {
	data, err := io.ReadAll(io.LimitReader(body, size+1))
	switch {
	case err != nil:
		return err
	case int64(len(data)) != size:
		return fmt.Errorf("the body has not the %d bytes that were promised", size)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.objects[key]; taken && absent {
		return fault.New(fault.Conflict, "object %s: %w", key, fs.ErrExist)
	}
	m.writes++
	m.objects[key] = object{data, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(m.writes) * time.Second)}
	return nil
}

func (m *memory) List(ctx context.Context, prefix string, yield func(string, int64, time.Time) bool) error {
	m.mu.Lock()
	var found []bucket.Object
	for key, o := range m.objects {
		if strings.HasPrefix(key, prefix) {
			found = append(found, bucket.Object{Key: key, Size: int64(len(o.data)), Modified: o.modified})
		}
	}
	m.mu.Unlock()
	slices.SortFunc(found, func(a, b bucket.Object) int { return strings.Compare(a.Key, b.Key) })
	for _, o := range found {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !yield(o.Key, o.Size, o.Modified) {
			return nil
		}
	}
	return nil
}

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}
