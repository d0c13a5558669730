//go:build winnow_crash

package crash

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

var (
	where, nth = parse(os.Getenv(Variable))
	passed     atomic.Int64
)

func parse(text string) (name string, n int64) {
	name, count, _ := strings.Cut(text, ":")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		n = 1
	}
	return name, n
}

// Point ends the process when it is the one to die at, at the pass to die at.
func Point(name string) {
	if name != where || passed.Add(1) != nth {
		return
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic("crash: " + err.Error())
	}
	select {} // until the signal arrives
}
