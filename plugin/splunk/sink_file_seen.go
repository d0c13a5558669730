package splunk

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
)

// recentKeys is how many of the newest event keys a file sink remembers. The outbox repeats what
// it had under way when the worker died, so few would do.
const recentKeys = 4096

// maxTail is how much of the end of a file is read for its keys.
const maxTail = 4 << 20

// seenKeys remembers the last keys: at least recentKeys, at most twice as many.
type seenKeys struct {
	young, old map[string]bool
}

func (k *seenKeys) has(key string) bool { return k.young[key] || k.old[key] }

func (k *seenKeys) add(key string) {
	if len(k.young) >= recentKeys {
		k.old, k.young = k.young, map[string]bool{}
	}
	k.young[key] = true
}

// readSeen reads the keys at the end of files, oldest first. A file that cannot be read has none:
// a repeated line is the lesser harm.
func readSeen(paths ...string) *seenKeys {
	k := &seenKeys{young: map[string]bool{}}
	for _, path := range paths {
		for line := range bytes.Lines(tail(path)) {
			var e struct {
				EventKey string `json:"event_key"`
			}
			whole := bytes.HasSuffix(line, []byte{'\n'})
			if whole && json.Unmarshal(line, &e) == nil && e.EventKey != "" {
				k.add(e.EventKey)
			}
		}
	}
	return k
}

func tail(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	if _, err := f.Seek(max(0, info.Size()-maxTail), io.SeekStart); err != nil {
		return nil
	}
	text, _ := io.ReadAll(f)
	return text
}
