package ledger

import (
	"testing"
	"time"
)

func TestTimeOfID(t *testing.T) {
	for id, want := range map[string]time.Time{
		"01M7WD7TG034ZP4E976V6P0C8B":   time.UnixMilli(1795176000000).UTC(),
		"":                             {},
		"file":                         {},
		"01M7WD7TG034ZP4E976V6P0C8B00": {},
		"ILOUILOUILOUILOUILOUILOUIL":   {},
	} {
		if got := timeOfID(id); !got.Equal(want) {
			t.Errorf("%q: %s, want %s", id, got, want)
		}
	}
}
