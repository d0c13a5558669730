package cache

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
)

// WriteSnapshot publishes entries for the alert action: all of them or, on an error, none. The
// file is written beside path, synced and renamed, with mode 0600. Entries that may not be kept
// are left out; of two with the same key the later counts. It needs about 64 bytes of memory for
// each entry.
func WriteSnapshot(path string, gen Generation, entries iter.Seq2[Key, Entry]) error {
	if err := replaceFile(path, func(f *os.File) error { return writeSnapshot(f, gen, entries) }); err != nil {
		return fmt.Errorf("write cache snapshot %s: %w", path, err)
	}
	return nil
}

type seekWriter interface {
	io.Writer
	io.WriterAt
}

func writeSnapshot(f seekWriter, gen Generation, entries iter.Seq2[Key, Entry]) error {
	w := bufio.NewWriterSize(f, 64<<10)
	if _, err := w.Write(make([]byte, headerSize)); err != nil {
		return err
	}
	slots, end, err := writeHeap(w, gen, entries)
	if err != nil {
		return err
	}
	head := header{generation: gen, slotsAt: end, slots: tableSize(len(slots))}
	table, count := layOut(slots, head.slots)
	head.count = count
	for i := range table {
		var raw [slotSize]byte
		if !table[i].key.IsZero() {
			table[i].put(&raw, &gen)
		}
		if _, err := w.Write(raw[:]); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = f.WriteAt(head.append(nil), 0)
	return err
}

// writeHeap writes the entries, and returns where each of them lies and where they end.
func writeHeap(w io.Writer, gen Generation, entries iter.Seq2[Key, Entry]) ([]slot, uint64, error) {
	var slots []slot
	var buf []byte
	end := uint64(headerSize)
	for key, e := range entries {
		if key.IsZero() || e.Keepable(false) != nil {
			continue
		}
		raw, err := appendEntry(buf[:0], e)
		if err != nil {
			continue // a time that cannot be stored is as good as no entry
		}
		if _, err := w.Write(raw); err != nil {
			return nil, 0, err
		}
		slots = append(slots, slot{key: key, at: end, size: uint32(len(raw)), entrySum: checksum(&gen, raw)})
		end += uint64(len(raw))
		buf = raw
	}
	return slots, end, nil
}

// tableSize leaves at least half of the slots unused, and enough for one window.
func tableSize(entries int) uint64 {
	return max(window, uint64(1)<<bits.Len64(uint64(2*entries)))
}

// layOut places every slot at the first free place from its home on.
func layOut(slots []slot, size uint64) (table []slot, count uint64) {
	table = make([]slot, size)
	for _, s := range slots {
		at := s.key.home() & (size - 1)
		for !table[at].key.IsZero() && table[at].key != s.key {
			at = (at + 1) & (size - 1)
		}
		if table[at].key.IsZero() {
			count++
		}
		table[at] = s
	}
	return table, count
}

// replaceFile writes a file beside path and puts it in the place of path when it is safe on disk.
func replaceFile(path string, write func(*os.File) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreGone(os.Remove(f.Name())))
		}
	}()
	if err := errors.Join(writeAndSync(f, write), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func ignoreGone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func writeAndSync(f *os.File, write func(*os.File) error) error {
	if err := write(f); err != nil {
		return err
	}
	return f.Sync()
}

// syncDir makes a rename last. Windows has no such call, and needs none.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
