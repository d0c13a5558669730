//go:build !winnow_crash

package crash

import "time"

// Point does nothing.
func Point(string) {}

// Now is time.Now.
func Now() time.Time { return time.Now() } //nolint:forbidigo // for mains
