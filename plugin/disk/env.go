//go:build winnow_crash

package disk

import "os"

// Variable names the environment variable with a fault for [Parse], in programs that were built to be told.
const Variable = "WINNOW_DISK_FAULT"

func init() {
	text := os.Getenv(Variable)
	if text == "" {
		return
	}
	f, err := Parse(text)
	if err != nil {
		panic(err)
	}
	Inject(f)
}
