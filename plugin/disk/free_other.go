//go:build !linux && !darwin

package disk

import (
	"math"
	"os"
)

// free does not know how to ask here: a full disk is noticed when writing fails.
func free(path string) (int64, error) {
	_, err := os.Stat(path)
	return math.MaxInt64, err
}
