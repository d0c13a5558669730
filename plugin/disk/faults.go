package disk

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Variable names the environment variable with a fault for [Parse], which programs that were built with the tag
// winnow_crash heed.
const Variable = "WINNOW_DISK_FAULT"

// Nth fails the nth operation of a kind, counted from 1, once.
func Nth(op Op, nth int64, cause error) Fault {
	var count atomic.Int64
	return func(is Op, _ string, _ int) (int, error) {
		if is == op && count.Add(1) == nth {
			return 0, cause
		}
		return 0, nil
	}
}

// From fails the nth operation of a kind, counted from 1, and all after it.
func From(op Op, nth int64, cause error) Fault {
	var count atomic.Int64
	return func(is Op, _ string, _ int) (int, error) {
		if is == op && count.Add(1) >= nth {
			return 0, cause
		}
		return 0, nil
	}
}

// Full is a disk with room for so many bytes more. When it is full no file can be made either.
func Full(room int64) Fault {
	var left atomic.Int64
	left.Store(room)
	return func(op Op, _ string, size int) (int, error) {
		switch op {
		case OpWrite:
			if after := left.Add(-int64(size)); after < 0 {
				return int(max(after+int64(size), 0)), syscall.ENOSPC
			}
		case OpCreate:
			if left.Load() <= 0 {
				return 0, syscall.ENOSPC
			}
		case OpOpen, OpRead, OpSync, OpSyncDir, OpRename, OpRemove, OpFree:
		}
		return 0, nil
	}
}

// ReadOnly is a disk that was mounted read-only after an error.
func ReadOnly() Fault {
	return func(op Op, _ string, _ int) (int, error) {
		switch op {
		case OpCreate, OpWrite, OpRename, OpRemove:
			return 0, syscall.EROFS
		case OpSync, OpSyncDir:
			return 0, syscall.EIO
		case OpOpen, OpRead, OpFree:
		}
		return 0, nil
	}
}

// Short writes half of the nth write, once, and says so.
func Short(nth int64) Fault {
	var count atomic.Int64
	return func(op Op, _ string, size int) (int, error) {
		if op == OpWrite && count.Add(1) == nth {
			return size / 2, io.ErrShortWrite
		}
		return 0, nil
	}
}

// Parse reads a fault from text: full:BYTES, readonly, short:N, or an operation and the number of the one
// that fails with EIO, like sync:2, with a + behind it for all after it too.
func Parse(text string) (Fault, error) {
	kind, number, _ := strings.Cut(text, ":")
	number, on := strings.CutSuffix(number, "+")
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case kind == "readonly":
		return ReadOnly(), nil
	case err != nil || n < 0:
		return nil, fmt.Errorf("fault %q: no number after the colon", text)
	case kind == "full":
		return Full(n), nil
	case kind == "short":
		return Short(n), nil
	}
	for _, op := range Ops {
		if string(op) != kind {
			continue
		}
		if on {
			return From(op, n, syscall.EIO), nil
		}
		return Nth(op, n, syscall.EIO), nil
	}
	return nil, fmt.Errorf("fault %q: unknown kind", text)
}
