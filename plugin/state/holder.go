package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Holder is who has the worker's lock. It is for messages: the lock itself is the operating system's,
// and a holder that was killed leaves its word behind.
type Holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

// String is "process 4711 on search1 since 2026-03-02T10:00:00Z".
func (h Holder) String() string {
	return fmt.Sprintf("process %d on %s since %s", h.PID, h.Host, h.Since.UTC().Format(time.RFC3339))
}

// Hold leaves word of who has the worker's lock. Only who has it may call it.
func (d *Deployment) Hold(h Holder) error {
	h.Since = h.Since.UTC()
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return WriteFile(d.Path("worker.holder"), append(body, '\n'))
}

// Release takes that word back.
func (d *Deployment) Release() error {
	if err := os.Remove(d.Path("worker.holder")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// maxHolder is far above what Hold writes.
const maxHolder = 4 << 10

// Holder returns who has the worker's lock, or had it last when it was killed.
func (d *Deployment) Holder() (h Holder, err error) {
	f, err := os.Open(d.Path("worker.holder"))
	if err != nil {
		return h, err
	}
	defer func() { _ = f.Close() }()
	body, err := io.ReadAll(io.LimitReader(f, maxHolder))
	if err == nil {
		err = json.Unmarshal(body, &h)
	}
	return h, err
}
