// Package bucket hides where shared objects lie and what that place needs: which cloud's driver and credentials, what
// its errors mean, what is tried again and after how long, how fast bytes may flow. Callers see one concrete type with
// whole objects under keys, read in ranges, created only if absent, and written whole or not at all.
package bucket

import (
	"context"
	"io"
	"time"
)

// Driver is a place that keeps objects. It tries nothing twice: Bucket does. Its errors wrap fs.ErrNotExist,
// fs.ErrExist or fs.ErrPermission where they mean that; an error of kind fault.Unavailable may be tried again.
type Driver interface {
	// Get opens n bytes of an object from off (n < 0: all that follow), and tells the size of the whole object.
	Get(ctx context.Context, key string, off, n int64) (body io.ReadCloser, size int64, err error)
	// Put writes an object of size bytes, whole or not at all, durable when it returns. With absent it fails with
	// fs.ErrExist if the key is taken, however many try at once.
	Put(ctx context.Context, key string, body io.ReadSeeker, size int64, absent bool) error
	// List calls yield with the objects whose keys begin with prefix, in the order of keys, until it returns false.
	List(ctx context.Context, prefix string, yield func(key string, size int64, modified time.Time) bool) error
	// Delete removes an object. One that is not there is no error.
	Delete(ctx context.Context, key string) error
}
