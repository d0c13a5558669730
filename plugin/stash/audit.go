package stash

import (
	"fmt"
	"os"
)

// Limits of the audit log, as Splunk's own actions keep them.
const (
	auditSize  = 25 << 20
	auditFiles = 5
)

// AppendLine adds a line to a log file with one write at its end, so that lines of processes that
// run at the same time do not mix. A file that has reached 25 MiB is first moved to NAME.1, and
// so on to NAME.5; the folder must exist.
func AppendLine(path string, line []byte) error {
	return appendLine(path, line, auditSize, auditFiles)
}

func appendLine(path string, line []byte, size int64, files int) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("append to log: %w", err)
	}
	if info, err := f.Stat(); err == nil && info.Size() >= size {
		f.Close() //nolint:errcheck // nothing was written
		if err := rotate(path, size, files); err != nil {
			return fmt.Errorf("rotate log: %w", err)
		}
		if f, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
			return fmt.Errorf("append to log: %w", err)
		}
	}
	_, err = f.Write(line)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("append to log: %w", err)
	}
	return nil
}
