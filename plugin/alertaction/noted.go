package alertaction

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/disk"
	"github.com/winnow-soc/winnow/plugin/stash"
)

// Beside an intake that is being decided stands, when the action writes notables itself, a file
// that says of which rows: frames with a note each, made durable before the notables are handed to
// splunkd. It is what the worker goes by when the action ends before it has stored its decisions.
//
// A note names the staged stash file. While that is there, the notables were never written.

// note is one stash file of notables.
type note struct {
	Staged string `json:"staged"`
	Rows   []int  `json:"rows"`
	Loss   bool   `json:"loss"` // one is about the rows that were lost
}

// noteWriter writes the file. The zero value has none and notes nothing.
type noteWriter struct {
	path   string
	file   *disk.File
	frames *frameWriter
}

// add makes a note durable.
func (w *noteWriter) add(n note) error {
	if w.path == "" {
		return nil
	}
	text, err := json.Marshal(n)
	if err == nil && w.file == nil {
		err = w.create()
	}
	if err == nil {
		err = errors.Join(w.frames.frame(frameNote, text), w.frames.out.Flush())
		crash.Point("note.before-fsync")
		err = errors.Join(err, w.file.Sync())
		crash.Point("note.after-fsync")
	}
	if err != nil {
		return fmt.Errorf("note notables: %w", err)
	}
	return nil
}

func (w *noteWriter) create() error {
	f, err := disk.OpenFile(w.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	w.file = f
	if w.frames, err = newFrameWriter(f, frameBuffer); err != nil {
		return err
	}
	return disk.SyncDir(filepath.Dir(w.path))
}

func (w *noteWriter) close() {
	if w.file != nil {
		_ = w.file.Close() // synced already
	}
}

// noted is what the notes of an intake say.
type noted struct {
	rows   rowSet
	loss   bool
	staged []string // files that were never handed to splunkd
}

// maxNotedRow bounds the memory that a note can ask for.
const maxNotedRow = 1 << 26

// readNotes reads the notes up to the last whole one: what came after was never acted on.
func readNotes(path string) (got noted) {
	f, err := disk.Open(path)
	if err != nil {
		return got
	}
	defer f.Close() //nolint:errcheck // read only
	frames, err := newFrameReader(f)
	if err != nil {
		return got
	}
	for {
		kind, data, err := frames.next()
		var n note
		if err != nil || kind != frameNote || json.Unmarshal(data, &n) != nil {
			return got
		}
		got.take(n)
	}
}

func (g *noted) take(n note) {
	if !stash.IsStaged(n.Staged) {
		return
	}
	if _, err := os.Lstat(n.Staged); err == nil {
		g.staged = append(g.staged, n.Staged)
		return
	}
	g.loss = g.loss || n.Loss
	for _, row := range n.Rows {
		if 0 <= row && row < maxNotedRow {
			g.rows.add(row)
		}
	}
}
