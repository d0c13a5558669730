package state

import "syscall"

// networkDisks are the file systems of linux/magic.h, and of makers that are not in it, whose locks and
// shared memory do not hold between hosts as those of a local disk do.
var networkDisks = map[uint32]string{
	0x6969: "nfs", 0x517b: "smb", 0xff534d42: "cifs", 0xfe534d42: "smb2", 0x564c: "ncp", 0x5346414f: "afs", 0x6b414653: "afs",
	0x73757245: "coda", 0x01021997: "9p", 0x00c36400: "ceph", 0x47504653: "gpfs", 0x0bd00bd0: "lustre", 0x7461636f: "ocfs2", 0x01161970: "gfs2",
}

// NetworkDisk returns the kind of network file system that a path lies on, "" for a local one.
func NetworkDisk(path string) (string, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return "", err
	}
	return networkDisks[uint32(s.Type)], nil //nolint:gosec // magic numbers have 32 bits
}
