package crypt

// IsSealed says whether bytes begin as a sealed object does.
func IsSealed(b []byte) bool { return len(b) >= headerSize && string(b[:len(magic)]) == magic }
