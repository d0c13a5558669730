//go:build !windows

package main

import (
	"os"
	"syscall"
)

// interrupt ends a process as splunkd does.
func interrupt(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
