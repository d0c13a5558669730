package web

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzVisible: nothing that is shown hides or turns around, and what is harmless stays as it is.
func FuzzVisible(f *testing.F) {
	for _, s := range []string{probe, "plain", "\xff\xfe", "a\u00a0b\u3000c", "\U000e0041\ufe0f\u2066", "日本 語\n\t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := visible(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool {
			return r != '\n' && r != '\t' && r != ' ' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || hides(r))
		}) {
			t.Errorf("%q is shown as %q", s, got)
		}
		if visible(got) != got {
			t.Errorf("%q changes when it is shown again", got)
		}
		if n := utf8.RuneCountInString(cut(40, s)); n > 40 {
			t.Errorf("%q is cut to %d characters", s, n)
		}
		if path := ownPath(s); !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n") {
			t.Errorf("%q leads to %q", s, path)
		}
	})
}

// TestVendoredFilesAreThoseOfNPM: what others wrote is as vendor.sum says; `make vendor-web` fetches it again.
func TestVendoredFilesAreThoseOfNPM(t *testing.T) {
	list, err := os.ReadFile("vendor.sum")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(list)) {
		sum, name, ok := strings.Cut(strings.TrimSpace(line), "  assets/")
		if !ok {
			t.Fatalf("vendor.sum: %q", line)
		}
		body, err := assetFiles.ReadFile("assets/" + name)
		if got := sha256.Sum256(body); err != nil || hex.EncodeToString(got[:]) != sum {
			t.Errorf("%s is another file than vendor.sum says (%v)", name, err)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d files in vendor.sum", n)
	}
}
