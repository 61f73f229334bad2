//go:build !amd64 || purego

package sha2x

// blocks2 exists on amd64 only; supported keeps everybody else on the standard library.
func blocks2(_, _ *[8]uint32, _, _ *byte, _ int) {}

func supported() bool { return false }
