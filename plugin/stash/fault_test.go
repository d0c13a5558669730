package stash_test

import (
	"os"
	"testing"

	"github.com/winnow-soc/winnow/plugin/disk/disktest"
	"github.com/winnow-soc/winnow/plugin/stash"
)

// TestNoFaultWritesHalfAStashFile: after an error splunkd finds nothing, else the whole file.
func TestNoFaultWritesHalfAStashFile(t *testing.T) {
	file := stash.File{Index: "notable", Events: []stash.Event{event("ann"), event("bob")}}
	disktest.Each(t, func(t *testing.T, f *disktest.Case) {
		s := spool(t)
		var path string
		var err error
		f.During(func() { path, err = s.Write("k", file) })
		left, readErr := os.ReadDir(s.Dir)
		if readErr != nil || (err == nil) != (len(left) == 1) {
			t.Fatalf("error %v, and the spool holds %v (%v)", err, left, readErr)
		}
		if err != nil {
			return
		}
		want, _ := file.Bytes()
		if got, err := os.ReadFile(path); err != nil || string(got) != string(want) {
			t.Errorf("the file holds %q, error %v", got, err)
		}
	})
}
