package source

import (
	"context"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/fault"
)

// bucket brings an object, or all objects below a prefix.
func (f *Fetcher) bucket(ctx context.Context, q Request) (Result, error) {
	place, name, err := splitBucket(q.Source.given)
	if err != nil {
		return Result{}, err
	}
	b, err := bucket.Open(ctx, place, f.o.Buckets)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = b.Close() }() // it was only read
	items, err := bucketItems(ctx, b, name)
	if err != nil {
		return Result{}, err
	}
	items = q.part(items)
	res, err := f.assemble(ctx, q, items)
	if err != nil || !res.Changed {
		return res, err
	}
	after, err := bucketItems(ctx, b, name)
	if err != nil {
		return Result{}, err
	}
	after = q.part(after)
	if !slices.EqualFunc(items, after, func(x, y item) bool { return x.pin == y.pin }) {
		return Result{}, errChanged() // an object may have been read half old and half new
	}
	return res, nil
}

// part is what a request is about.
func (q Request) part(items []item) []item {
	if q.Only == nil {
		return items
	}
	return slices.DeleteFunc(items, func(it item) bool { return it.pin.Name != "" && !q.Only(it.pin.Name) })
}

// Look lists what a bucket has below a prefix and reads none of it: the pins have no digests. The pin of a single object has no name.
func (f *Fetcher) Look(ctx context.Context, s Source) ([]Pin, error) {
	if s.Kind != Bucket {
		return nil, fault.New(fault.Usage, "cannot list %s: it is no bucket", s.Shown)
	}
	place, name, err := splitBucket(s.given)
	if err != nil {
		return nil, err
	}
	b, err := bucket.Open(ctx, place, f.o.Buckets)
	if err != nil {
		return nil, s.failed(err)
	}
	defer func() { _ = b.Close() }() // it was only read
	items, err := bucketItems(ctx, b, name)
	if err != nil {
		return nil, s.failed(err)
	}
	pins := make([]Pin, len(items))
	for i, it := range items {
		pins[i] = it.pin
	}
	return pins, nil
}

// splitBucket splits a URL into that of the folder above and the last name. Of a whole bucket the name is empty.
func splitBucket(raw string) (place, name string, err error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" && u.Scheme != "file" {
		return "", "", fault.New(fault.Usage, "it is no URL of a bucket").Hint("mlx import s3://BUCKET/PATH")
	}
	full := strings.Trim(u.Path, "/")
	if full == "" {
		return raw, "", nil
	}
	above := path.Dir(full)
	if above == "." {
		above = ""
	}
	u.Path, u.RawPath = above, ""
	if above != "" {
		u.Path = "/" + above
	}
	return u.String(), path.Base(full), nil
}

// bucketItems lists the object called name, or else what is below it.
func bucketItems(ctx context.Context, b *bucket.Bucket, name string) ([]item, error) {
	var below []item
	for o, err := range b.List(ctx, name) {
		if err != nil {
			return nil, err
		}
		if o.Key == name {
			return []item{objectItem(b, o, "")}, nil
		}
		rest := o.Key
		if name != "" {
			inside, ok := strings.CutPrefix(o.Key, name+"/")
			if !ok {
				continue
			}
			rest = inside
		}
		if rest == "" || strings.HasSuffix(rest, "/") && o.Size == 0 {
			continue // what some tools write to show an empty folder
		}
		if below = append(below, objectItem(b, o, rest)); len(below) > maxItems {
			return nil, fault.New(fault.Usage, "more than %d objects", maxItems)
		}
	}
	if len(below) == 0 {
		return nil, fault.New(fault.NotFound, "there is no object of this name, nor any below it")
	}
	return below, nil
}

// objectItem reads an object in one stream that Bucket takes up again where it broke.
func objectItem(b *bucket.Bucket, o bucket.Object, name string) item {
	pin := Pin{Name: name, Bytes: o.Size}
	if !o.Modified.IsZero() {
		pin.Modified = o.Modified.UTC().Format(time.RFC3339Nano)
	}
	return item{pin: pin, read: func(ctx context.Context, w io.Writer) error { return b.ReadTo(ctx, o.Key, 0, o.Size, w) }}
}
