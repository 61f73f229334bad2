//go:build !unix

package folder

// sync has nothing to do: a folder cannot be synced here.
func sync(string) error { return nil }
