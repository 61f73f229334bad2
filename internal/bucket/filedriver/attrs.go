package filedriver

import (
	"encoding/json"
	"fmt"
	"io"
)

const (
	plainType  = "application/octet-stream"
	attrsBytes = 1 << 20
)

// attrs is what a sidecar keeps. Objects of mlx have none: their type is plainType.
type attrs struct {
	CacheControl       string            `json:"cache_control,omitempty"`
	ContentDisposition string            `json:"content_disposition,omitempty"`
	ContentEncoding    string            `json:"content_encoding,omitempty"`
	ContentLanguage    string            `json:"content_language,omitempty"`
	ContentType        string            `json:"content_type,omitempty"`
	Metadata           map[string]string `json:"metadata,omitempty"`
}

func (a attrs) plain() bool {
	return len(a.Metadata) == 0 && (a.ContentType == "" || a.ContentType == plainType) &&
		a.CacheControl == "" && a.ContentDisposition == "" && a.ContentEncoding == "" && a.ContentLanguage == ""
}

func (b *bucket) readAttrs(file string) (attrs, error) {
	a := attrs{ContentType: plainType}
	f, err := b.root.Open(sidecarOf(file))
	if isNotThere(err) {
		return a, nil
	}
	if err != nil {
		return a, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, attrsBytes))
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return a, fmt.Errorf("%s: %w", sidecarOf(file), err)
	}
	return a, nil
}

// writeAttrs puts the sidecar of a file in its place, or takes away what an earlier object left.
func (b *bucket) writeAttrs(file string, a attrs) error {
	if a.plain() {
		if err := b.root.Remove(sidecarOf(file)); err != nil && !isNotThere(err) {
			return err
		}
		return nil
	}
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	f, name, err := b.temp(file)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = b.root.Rename(name, sidecarOf(file))
	}
	if err != nil {
		_ = b.root.Remove(name)
	}
	return err
}
