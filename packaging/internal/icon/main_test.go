package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// TestIconsAreTheDrawnOnes compares pixels: how PNG files are packed may change with Go.
func TestIconsAreTheDrawnOnes(t *testing.T) {
	drawn := t.TempDir()
	if err := write(drawn); err != nil {
		t.Fatal(err)
	}
	for name, side := range icons {
		want := read(t, filepath.Join(drawn, name), side)
		got := read(t, filepath.Join("..", "..", "app", name), side)
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what this program draws: go run ./packaging/internal/icon", name)
		}
	}
}

func read(t *testing.T, path string, side int) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if b := img.Bounds(); b.Dx() != side || b.Dy() != side {
		t.Fatalf("%s is %dx%d, want %d", path, b.Dx(), b.Dy(), side)
	}
	var pixels []byte
	for y := range side {
		for x := range side {
			r, g, b, a := img.At(x, y).RGBA()
			pixels = append(pixels, byte(r>>8), byte(g>>8), byte(b>>8), byte(a>>8))
		}
	}
	return pixels
}
