//go:build unix

package main

import (
	"syscall"
	"time"
)

// cpuTime is the processor time of this process. Unlike the clock on the wall it does not count
// what other programs on the machine take.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no reason to fail for the process itself
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
