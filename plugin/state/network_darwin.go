package state

import "syscall"

// NetworkDisk returns the kind of network file system that a path lies on, "" for a local one.
func NetworkDisk(path string) (string, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return "", err
	}
	if s.Flags&mntLocal != 0 {
		return "", nil
	}
	var name []byte
	for _, c := range s.Fstypename {
		if c == 0 {
			break
		}
		name = append(name, byte(c))
	}
	return string(name), nil
}

// mntLocal is MNT_LOCAL of sys/mount.h.
const mntLocal = 0x1000
