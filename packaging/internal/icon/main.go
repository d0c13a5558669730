// Command icon draws the app's icons, so that the repository holds where they come from:
//
//	go run ./packaging/internal/icon -app packaging/app
package main

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
)

func main() {
	app := flag.String("app", "packaging/app", "write the icons into the app folder `DIR`")
	flag.Parse()
	if err := write(*app); err != nil {
		fmt.Fprintln(os.Stderr, "icon:", err)
		os.Exit(1)
	}
}

// icons are the files that Splunk looks for, with the pixels of a side.
var icons = map[string]int{
	"appserver/static/winnow_triage.png": 48, // the alert action's
	"static/appIcon.png":                 36,
	"static/appIcon_2x.png":              72,
}

func write(app string) error {
	for name, side := range icons {
		data, err := draw(side)
		if err != nil {
			return err
		}
		path := filepath.Join(app, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // the app is read by everybody
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil { //nolint:gosec // the same
			return err
		}
	}
	return nil
}

var (
	ground = color.NRGBA{R: 0x1f, G: 0x3a, B: 0x34, A: 0xff}
	chaff  = color.NRGBA{R: 0x7f, G: 0xa0, B: 0x93, A: 0xff}
	grain  = color.NRGBA{R: 0xf2, G: 0xc1, B: 0x4e, A: 0xff}
)

// shape is a disc on a field of 48 by 48.
type shape struct {
	x, y, r float64
	color   color.NRGBA
}

// picture is a fan that lets the chaff fly off to the right and the grains fall.
var picture = []shape{
	{14, 14, 3.2, chaff}, {24, 11, 2.7, chaff}, {33, 10, 2.2, chaff}, {40, 11, 1.7, chaff},
	{20, 19, 2.4, chaff}, {29, 17, 1.9, chaff}, {37, 17, 1.5, chaff},
	{16, 27, 3.6, grain}, {24, 33, 3.6, grain}, {15, 36, 3.6, grain}, {32, 38, 3.6, grain},
}

// samples per pixel and direction smooth the edges.
const samples = 4

func draw(side int) ([]byte, error) {
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			img.SetNRGBA(x, y, pixel(x, y, side))
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, img)
	return b.Bytes(), err
}

func pixel(x, y, side int) color.NRGBA {
	var r, g, b int
	for i := range samples * samples {
		c := at(scaled(x, i%samples, side), scaled(y, i/samples, side))
		r, g, b = r+int(c.R), g+int(c.G), b+int(c.B)
	}
	const n = samples * samples
	return color.NRGBA{R: uint8(r / n), G: uint8(g / n), B: uint8(b / n), A: 0xff} //nolint:gosec // a mean of bytes
}

func scaled(pixel, sample, side int) float64 {
	return (float64(pixel) + (float64(sample)+0.5)/samples) * 48 / float64(side)
}

func at(x, y float64) color.NRGBA {
	for _, s := range picture {
		if dx, dy := x-s.x, y-s.y; dx*dx+dy*dy <= s.r*s.r {
			return s.color
		}
	}
	return ground
}
