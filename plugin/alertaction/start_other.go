//go:build !unix

package alertaction

import (
	"errors"

	"github.com/winnow-soc/winnow/plugin/state"
)

// startWorker is for clusters on Unix, whose members do not all run modular inputs.
func startWorker(*state.Deployment) (started bool, err error) {
	return false, errors.New("[gate] start_worker is not available on this system: enable the input winnow://worker")
}
