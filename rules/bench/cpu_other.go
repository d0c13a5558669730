//go:build !unix

package main

import "time"

var start = time.Now() //nolint:forbidigo // the clock of the measurement itself

// cpuTime is the clock on the wall where there is no better one.
func cpuTime() time.Duration { return time.Since(start) }
