package filedriver_test

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"

	"gocloud.dev/blob/driver"
	"gocloud.dev/blob/drivertest"

	"mlx/internal/bucket/filedriver"
)

// harness gives the suite of gocloud.dev one folder per test. Signed URLs are not supported, which the driver says itself
// (Unimplemented); everything else must work.
type harness struct{ folder string }

func (h harness) MakeDriver(context.Context) (driver.Bucket, error) { return filedriver.Open(h.folder) }

// A folder that is not there cannot be opened, so there is no driver for it: Open is tested below.
func (h harness) MakeDriverForNonexistentBucket(context.Context) (driver.Bucket, error) {
	return nil, nil
}
func (h harness) HTTPClient() *http.Client         { return nil }
func (h harness) SupportsCopy() bool               { return true }
func (h harness) SupportsNonSlashDelimiters() bool { return true }
func (h harness) Close()                           {}

func TestConformance(t *testing.T) {
	drivertest.RunConformanceTests(t, func(_ context.Context, t *testing.T) (drivertest.Harness, error) {
		return harness{t.TempDir()}, nil
	}, nil)
}

func TestOpenNeedsFolder(t *testing.T) {
	if _, err := filedriver.Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there was opened")
	}
}
