//go:build !windows

package main

import "os"

// parentGone returns what tells whether the process that started this one has ended: its children then
// belong to another.
func parentGone() func() bool {
	parent := os.Getppid()
	return func() bool { return os.Getppid() != parent }
}
