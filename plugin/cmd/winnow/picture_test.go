package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pictureScript judges one of the demo's sample alerts and draws it, so that the picture in docs/img is of a real
// run: an exploit whose alert carries a text that asks to be closed.
const pictureScript = `exec winnow triage --state state --quiet shown.ndjson
alert SHOWN 3
exec winnow render $SHOWN --as gif --out case.gif
`

// TestPicture holds docs/img/case.gif against what winnow draws today. `make pictures` draws it again.
func TestPicture(t *testing.T) {
	shown, err := filepath.Abs(filepath.Join("..", "..", "..", "docs", "img", "case.gif"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "picture.txt")
	if err := os.WriteFile(path, []byte(pictureScript), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newScript(t, path)
	for line := range strings.Lines(s.text("samples.ndjson")) {
		if strings.Contains(line, "command injection") && strings.Contains(line, "TRIAGE ASSISTANT") {
			s.write("shown.ndjson", line)
		}
	}
	s.run()
	got, err := os.ReadFile("case.gif")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) > 1<<20 {
		t.Errorf("%d bytes: the README loads it each time", len(got))
	}
	if *updateGolden {
		if err := os.WriteFile(shown, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(shown)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what winnow draws: look at `make pictures`", shown)
	}
}
