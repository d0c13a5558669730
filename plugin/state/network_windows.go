package state

import (
	"path/filepath"
	"syscall"
	"unsafe"
)

var getDriveType = syscall.NewLazyDLL("kernel32.dll").NewProc("GetDriveTypeW")

// NetworkDisk returns "network drive" for a path that lies on one, "" for a local one.
func NetworkDisk(path string) (string, error) {
	root, err := syscall.UTF16PtrFromString(filepath.VolumeName(path) + `\`)
	if err != nil {
		return "", err
	}
	const driveRemote = 4
	if kind, _, _ := getDriveType.Call(uintptr(unsafe.Pointer(root))); kind == driveRemote { //nolint:errcheck // it has no error
		return "network drive", nil
	}
	return "", nil
}
