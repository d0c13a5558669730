//go:build winnow_crash

package crash

import (
	"os"
	"strconv"
	"time"
	"unsafe"
)

var clock = openClock(os.Getenv(ClockVariable))

func openClock(path string) *os.File {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		panic("clock: " + err.Error())
	}
	return f
}

// Now is the time of a clock that somebody may have set: what has passed between two times is known all the
// same, as it is with the clock of a host.
func Now() time.Time {
	now := time.Now()
	if clock == nil {
		return now
	}
	var text [offsetLen]byte
	if _, err := clock.ReadAt(text[:], 0); err != nil {
		panic("clock: " + err.Error())
	}
	by, err := strconv.ParseInt(string(text[:]), 10, 64)
	if err != nil {
		panic("clock: " + err.Error())
	}
	return set(now, time.Duration(by))
}

// set moves the time of day and not what the runtime counts beside it, which package time offers no way to.
func set(t time.Time, by time.Duration) time.Time {
	moved := t.Add(by)
	parts := (*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&moved))
	parts.ext -= int64(by)
	if moved.Sub(t) != 0 || moved.Round(0).Sub(t.Round(0)) != by {
		panic("clock: this version of Go keeps time in another way")
	}
	return moved
}
