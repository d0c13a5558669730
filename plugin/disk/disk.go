// Package disk is the small part of a file system on which it hangs that nothing is lost: making files,
// writing, syncing, renaming and removing them. What it does is what package os does, at no cost; tests
// have it fail, at any operation, the ways disks fail (see [Inject]).
package disk

import (
	"io/fs"
	"os"
	"sync/atomic"
)

// Op is a kind of operation.
type Op string

// The operations. Each is one that a disk can fail at.
const (
	OpCreate  Op = "create" // make a file, or open one to write to it
	OpOpen    Op = "open"   // open a file to read it
	OpRead    Op = "read"
	OpWrite   Op = "write"
	OpSync    Op = "sync"
	OpSyncDir Op = "syncdir"
	OpRename  Op = "rename"
	OpRemove  Op = "remove"
	OpFree    Op = "free" // ask how much room there is
)

// Ops are all operations.
var Ops = []Op{OpCreate, OpOpen, OpRead, OpWrite, OpSync, OpSyncDir, OpRename, OpRemove, OpFree}

// Fault says what goes wrong with an operation on a path; nil is nothing. Of a write of size bytes, the first
// n are written all the same. Called from many goroutines at once.
type Fault func(op Op, path string, size int) (n int, err error)

var injected atomic.Pointer[Fault]

// Inject has all operations of the process ask a fault first, until restore is called. For tests.
func Inject(f Fault) (restore func()) {
	injected.Store(&f)
	return func() { injected.Store(nil) }
}

// ask returns what goes wrong with an operation.
func ask(op Op, path string, size int) (n int, err error) {
	f := injected.Load()
	if f == nil {
		return 0, nil
	}
	if n, err = (*f)(op, path, size); err != nil {
		err = &fs.PathError{Op: string(op), Path: path, Err: err}
	}
	return n, err
}

// File is an open file. As safe for concurrent use as an *os.File.
type File struct{ file *os.File }

// Open opens a file for reading.
func Open(path string) (*File, error) {
	if _, err := ask(OpOpen, path, 0); err != nil {
		return nil, err
	}
	return opened(os.Open(path)) //nolint:gosec // the callers' names
}

// OpenFile is os.OpenFile with mode 0600, for writing.
func OpenFile(path string, flag int) (*File, error) {
	if _, err := ask(OpCreate, path, 0); err != nil {
		return nil, err
	}
	return opened(os.OpenFile(path, flag, 0o600)) //nolint:gosec // the callers' names
}

// CreateTemp makes a temporary file, as os.CreateTemp does.
func CreateTemp(dir, pattern string) (*File, error) {
	if _, err := ask(OpCreate, dir, 0); err != nil {
		return nil, err
	}
	return opened(os.CreateTemp(dir, pattern))
}

func opened(f *os.File, err error) (*File, error) {
	if err != nil {
		return nil, err
	}
	return &File{f}, nil
}

// Name returns the path that the file was opened with.
func (f *File) Name() string { return f.file.Name() }

// Read reads from the file.
func (f *File) Read(p []byte) (int, error) {
	if _, err := ask(OpRead, f.file.Name(), len(p)); err != nil {
		return 0, err
	}
	return f.file.Read(p)
}

// ReadAt reads from an offset of the file.
func (f *File) ReadAt(p []byte, at int64) (int, error) {
	if _, err := ask(OpRead, f.file.Name(), len(p)); err != nil {
		return 0, err
	}
	return f.file.ReadAt(p, at)
}

// Write writes to the file.
func (f *File) Write(p []byte) (int, error) {
	if n, err := ask(OpWrite, f.file.Name(), len(p)); err != nil {
		n, _ = f.file.Write(p[:min(max(n, 0), len(p))]) // the injected error is the one to tell
		return n, err
	}
	return f.file.Write(p)
}

// Sync brings what was written to disk.
func (f *File) Sync() error {
	if _, err := ask(OpSync, f.file.Name(), 0); err != nil {
		return err
	}
	return f.file.Sync()
}

// Stat describes the file.
func (f *File) Stat() (fs.FileInfo, error) { return f.file.Stat() }

// Close closes the file. It says nothing about the disk that Sync has not said.
func (f *File) Close() error { return f.file.Close() }

// Rename moves a file.
func Rename(from, to string) error {
	if _, err := ask(OpRename, to, 0); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// Remove removes a file.
func Remove(path string) error {
	if _, err := ask(OpRemove, path, 0); err != nil {
		return err
	}
	return os.Remove(path)
}

// SyncDir makes the names in a folder durable. Windows keeps them so by itself.
func SyncDir(dir string) error {
	if _, err := ask(OpSyncDir, dir, 0); err != nil {
		return err
	}
	return syncDir(dir)
}

// Free returns how many bytes a user without privileges may still write at a path.
func Free(path string) (int64, error) {
	if _, err := ask(OpFree, path, 0); err != nil {
		return 0, err
	}
	return free(path)
}
