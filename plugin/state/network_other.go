//go:build !linux && !darwin && !windows

package state

// NetworkDisk does not know here.
func NetworkDisk(string) (string, error) { return "", nil }
