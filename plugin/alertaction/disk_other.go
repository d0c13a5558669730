//go:build !linux && !darwin

package alertaction

import (
	"math"
	"os"
)

// freeBytes does not know how to ask here: a full disk is noticed when writing fails.
func freeBytes(path string) (int64, error) {
	_, err := os.Stat(path)
	return math.MaxInt64, err
}
