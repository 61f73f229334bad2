package run

// syncFolder does nothing: the file system keeps names by itself.
func syncFolder(string) error { return nil }
