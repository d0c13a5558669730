package alertaction

// FreeBytes returns how much a user without privileges may still write at path, the most there is where
// that cannot be asked. [gate] min_free is held against it.
func FreeBytes(path string) (int64, error) { return freeBytes(path) }
