package main

import (
	"os"
	"syscall"
)

// parentGone returns what tells whether the process that started this one has ended. Windows never
// gives a process another parent, so it is looked at by a handle that is opened while it lives.
func parentGone() func() bool {
	handle, err := syscall.OpenProcess(syscall.SYNCHRONIZE, false, uint32(os.Getppid())) //nolint:gosec // ids of processes have 32 bits
	if err != nil {
		return func() bool { return false }
	}
	return func() bool {
		event, err := syscall.WaitForSingleObject(handle, 0)
		return err == nil && event == syscall.WAIT_OBJECT_0
	}
}
