//go:build !linux && !darwin

package ledger

// freeSpace does not know how to ask here: a full disk is noticed when writing fails.
func freeSpace(string) (n int64, known bool) { return 0, false }

// syncFolder does nothing: Windows keeps the names in a folder durable by itself.
func syncFolder(string) error { return nil }
