package crypt

// IsSealed says whether bytes begin as a sealed object does.
func IsSealed(b []byte) bool { return len(b) >= headerSize && string(b[:len(magic)]) == magic }

// SealedWith returns the key that an object says it is sealed with; false if it is not sealed. Only opening it proves that.
func SealedWith(b []byte) (id KeyID, ok bool) {
	if !IsSealed(b) {
		return id, false
	}
	copy(id[:], b[len(magic):])
	return id, true
}
