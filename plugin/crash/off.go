//go:build !winnow_crash

package crash

// Point does nothing.
func Point(string) {}
