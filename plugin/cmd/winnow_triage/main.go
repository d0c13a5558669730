// Where the limits of a container are is read from six files before the program begins, a twentieth
// of what one alert takes. The action has a handful of threads, whatever the limits are.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Winnow_triage is the alert action that Splunk starts for every triggered alert.
package main

import (
	"os"
	"runtime/debug"

	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/crash"
)

// The action lives for milliseconds, or for the second that a large file takes, with a few
// megabytes in use: collecting garbage less often makes the large file a sixth faster, and the
// limit keeps hostile input from making use of that.
const (
	gcPercent   = 800
	memoryLimit = 48 << 20 // bytes; soft
)

func main() {
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
	env := alertaction.OSEnv()
	env.Now = crash.Now
	os.Exit(alertaction.Main(os.Args[1:], env))
}
