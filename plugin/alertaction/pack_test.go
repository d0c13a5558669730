package alertaction

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"

	"github.com/winnow-soc/winnow"
)

// longPayload is one that is worth packing.
var longPayload = strings.TrimSuffix(testPayload, "}") + `, "notes": "` + strings.Repeat("seen before ", 60) + `"}`

// TestRecordsArePacked: text gets small, and what Splunk has packed stays as it is, byte for byte.
func TestRecordsArePacked(t *testing.T) {
	dir := newSpool(t)
	rows := csvRows(5000)
	size := func(results string) (int64, []byte) {
		path := writeAlert(t, dir, testHeader(KindAlert), longPayload, results)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := OpenRecord(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(items(t, rec)); got != 5000 {
			t.Fatalf("%d rows", got)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size(), text
	}
	if n, text := size(rows); n > int64(len(rows))*6/10 || bytes.Contains(text, []byte("seen before seen before")) {
		t.Errorf("%d bytes of results and %d of payload take %d", len(rows), len(longPayload), n)
	}
	if _, text := size(string(zipped(t, rows))); !bytes.Contains(text, zipped(t, rows)) {
		t.Error("results that were packed are packed again")
	}
}

// TestRecordsOfVersion1AreRead: an upgrade finds records of the program before in the spool.
func TestRecordsOfVersion1AreRead(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "version1.alert"))
	if err != nil {
		t.Fatal(err)
	}
	h, err := readHeader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(newSpool(t), fileName(h.ID, h.Kind))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	rec, err := OpenRecord(path)
	if err != nil {
		t.Fatal(err)
	}
	got := items(t, rec)
	if len(got) != 40 || got[3].Proposal != dropped || got[4].Proposal != passed || rec.Payload.SearchName != "Impossible Travel" {
		t.Errorf("%d rows, payload %+v", len(got), rec.Payload)
	}
}

// TestPartsThatDoNotUnpack: what unpacks to more than a frame, or to nothing, is damage like any other.
func TestPartsThatDoNotUnpack(t *testing.T) {
	var bomb bytes.Buffer
	if err := flate.StatelessDeflate(&bomb, make([]byte, maxFrame+1), true, nil); err != nil {
		t.Fatal(err)
	}
	for name, packed := range map[string][]byte{
		"a bomb": bomb.Bytes(), "cut": bomb.Bytes()[:bomb.Len()/2], "not packed": []byte(`{"sid": "s"}`), "nothing": {},
	} {
		t.Run(name, func(t *testing.T) {
			dir, h := newSpool(t), testHeader(KindAlert)
			w, err := CreateRecord(dir, h)
			if err != nil {
				t.Fatal(err)
			}
			w.Payload([]byte(testPayload))
			w.keep(w.frames.asIs(framePayload.packed(), packed))
			w.add(decision{proposal: dropped})
			if err := w.Commit(Trailer{}); err != nil {
				t.Fatal(err)
			}
			rec, err := OpenRecord(filepath.Join(dir, fileName(h.ID, h.Kind)))
			if err == nil || len(items(t, rec)) == 0 || items(t, rec)[0].Proposal.Kind == winnow.ProposeDrop {
				t.Errorf("error %v, rows %v", err, items(t, rec))
			}
		})
	}
}

// FuzzPacked: what was packed comes back, and no packed bytes take more memory than a frame.
func FuzzPacked(f *testing.F) {
	f.Add([]byte(strings.Repeat("payload ", 200)))
	f.Add([]byte{0x4b, 0x04, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		data = data[:min(len(data), maxFrame)]
		var file bytes.Buffer
		w, err := newFrameWriter(&file, frameBuffer)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.frame(frameBody, data); err != nil {
			t.Fatal(err)
		}
		if err := w.asIs(frameBody.packed(), data); err != nil {
			t.Fatal(err)
		}
		if err := w.end(); err != nil {
			t.Fatal(err)
		}
		r, err := newFrameReader(&file)
		if err != nil {
			t.Fatal(err)
		}
		if kind, got, err := r.next(); err != nil || kind != frameBody || !bytes.Equal(got, data) {
			t.Fatalf("kind %q, %d bytes, error %v", byte(kind), len(got), err)
		}
		if kind, got, err := r.next(); kind != frameBody || len(got) > maxFrame || (err != nil && err != errPacked) { //nolint:errorlint // the very error
			t.Fatalf("kind %q, %d bytes, error %v", byte(kind), len(got), err)
		}
		if _, _, err := r.next(); err != io.EOF { //nolint:errorlint // the very error
			t.Fatal(err)
		}
	})
}
