package rules

import (
	"io/fs"
	"syscall"
)

// changed returns when anything about a file was last changed.
func changed(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ctim.Nano()
	}
	return 0
}
