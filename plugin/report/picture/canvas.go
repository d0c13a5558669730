package picture

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// The size of the picture, in pixels.
const (
	Width  = 800
	Height = 450
)

// The colours: few, so that a frame needs no more than a GIF has.
var (
	ground = color.RGBA{0x0e, 0x13, 0x1a, 0xff}
	panel  = color.RGBA{0x17, 0x1e, 0x28, 0xff}
	card   = color.RGBA{0x20, 0x2a, 0x37, 0xff}
	rule   = color.RGBA{0x36, 0x43, 0x54, 0xff}
	dim    = color.RGBA{0x93, 0xa0, 0xb2, 0xff}
	ink    = color.RGBA{0xee, 0xf2, 0xf7, 0xff}
	blue   = color.RGBA{0x6c, 0xb2, 0xf5, 0xff}
	green  = color.RGBA{0x4f, 0xc9, 0x8b, 0xff}
	amber  = color.RGBA{0xf2, 0xb8, 0x3c, 0xff}
	red    = color.RGBA{0xf7, 0x6a, 0x6f, 0xff}
)

// steps is how many shades lie between a colour and what is under it.
const steps = 7

// palette holds every colour over every ground, with the shades between.
func palette() color.Palette {
	var p color.Palette
	seen := map[color.RGBA]bool{}
	add := func(c color.RGBA) {
		if !seen[c] {
			seen[c] = true
			p = append(p, c)
		}
	}
	for _, under := range []color.RGBA{ground, panel, card} {
		for _, over := range []color.RGBA{ink, dim, blue, green, amber, red, rule, card, panel} {
			for i := 0; i <= steps; i++ {
				add(mix(under, over, i*255/steps))
			}
		}
	}
	for _, pill := range []color.RGBA{dim, blue, green, amber, red} {
		for i := 0; i <= steps; i++ {
			add(mix(pill, ground, i*255/steps))
		}
	}
	return p
}

// mix lays one colour over another; alpha goes to 255.
func mix(under, over color.RGBA, alpha int) color.RGBA {
	m := func(a, b uint8) uint8 { return uint8((int(a)*(255-alpha) + int(b)*alpha + 127) / 255) } //nolint:gosec // between the two
	return color.RGBA{m(under.R, over.R), m(under.G, over.G), m(under.B, over.B), 0xff}
}

// style is a font and its size.
type style int

const (
	heading style = iota
	title
	body
	small
	tiny
	mono
	monoSmall
	strong
	banner
	styleCount
)

// canvas is what frames are drawn on.
type canvas struct {
	*image.RGBA

	faces [styleCount]font.Face
	panel *frame // what the panel shows; nil before the first frame
}

func newCanvas() (*canvas, error) {
	c := &canvas{RGBA: image.NewRGBA(image.Rect(0, 0, Width, Height))}
	fonts := map[string][]byte{"regular": goregular.TTF, "bold": gobold.TTF, "mono": gomono.TTF}
	parsed := map[string]*opentype.Font{}
	for name, ttf := range fonts {
		f, err := opentype.Parse(ttf)
		if err != nil {
			return nil, fmt.Errorf("read font %s: %w", name, err)
		}
		parsed[name] = f
	}
	for s, of := range [styleCount]struct {
		font string
		size float64
	}{
		heading: {"bold", 23}, title: {"bold", 18}, body: {"regular", 16}, small: {"regular", 14}, tiny: {"regular", 12.5},
		mono: {"mono", 14}, monoSmall: {"mono", 12}, strong: {"bold", 14}, banner: {"bold", 30},
	} {
		face, err := opentype.NewFace(parsed[of.font], &opentype.FaceOptions{Size: of.size, DPI: 72, Hinting: font.HintingFull})
		if err != nil {
			return nil, fmt.Errorf("size font %s: %w", of.font, err)
		}
		c.faces[s] = face
	}
	return c, nil
}

// fill paints a rectangle with round corners.
func (c *canvas) fill(r image.Rectangle, radius int, col color.RGBA) {
	if radius == 0 {
		draw.Draw(c, r, image.NewUniform(col), image.Point{}, draw.Src)
		return
	}
	core := r.Inset(radius)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			dx := max(core.Min.X-x, x-core.Max.X+1, 0)
			dy := max(core.Min.Y-y, y-core.Max.Y+1, 0)
			if dx == 0 || dy == 0 {
				c.SetRGBA(x, y, col)
				continue
			}
			c.blend(x, y, col, float64(radius)-math.Hypot(float64(dx)-0.5, float64(dy)-0.5))
		}
	}
}

// disc paints a circle on the track, hollow when width is above 0.
func (c *canvas) disc(cx int, radius, width float64, col color.RGBA) {
	const cy = trackY
	r := int(radius) + 2
	for y := cy - r; y <= cy+r; y++ {
		for x := cx - r; x <= cx+r; x++ {
			d := math.Hypot(float64(x-cx), float64(y-cy))
			inside := radius - d
			if width > 0 {
				inside = min(inside, d-(radius-width))
			}
			c.blend(x, y, col, inside)
		}
	}
}

// blend paints a pixel that lies so deep inside a shape.
func (c *canvas) blend(x, y int, col color.RGBA, inside float64) {
	alpha := int(min(max(inside+0.5, 0), 1) * 255)
	if alpha > 0 {
		c.SetRGBA(x, y, mix(c.RGBAAt(x, y), col, alpha))
	}
}

// drawable replaces characters that the font has no shape for by what they are.
func (c *canvas) drawable(s style, text string) string {
	var b strings.Builder
	for _, r := range text {
		if _, ok := c.faces[s].GlyphAdvance(r); ok || r == ' ' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// width of a text in pixels.
func (c *canvas) width(s style, text string) int {
	return font.MeasureString(c.faces[s], c.drawable(s, text)).Ceil()
}

// text writes one line and returns where it ends.
func (c *canvas) text(x, y int, s style, col color.RGBA, text string) int {
	d := font.Drawer{Dst: c, Src: image.NewUniform(col), Face: c.faces[s], Dot: fixed.P(x, y)}
	d.DrawString(c.drawable(s, text))
	return d.Dot.X.Ceil()
}

// centred writes one line around x, cut to fit.
func (c *canvas) centred(x, y, room int, s style, col color.RGBA, text string) {
	text = c.fit(s, text, room)
	c.text(x-c.width(s, text)/2, y, s, col, text)
}

// fit cuts a text to so many pixels.
func (c *canvas) fit(s style, text string, room int) string {
	if c.width(s, text) <= room {
		return text
	}
	r := []rune(text)
	low, high := 0, len(r) // the longest start that fits lies between
	for low < high {
		mid := (low + high + 1) / 2
		if c.width(s, string(r[:mid])+"…") <= room {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return strings.TrimRight(string(r[:low]), " ") + "…"
}

// wrap breaks a text into at most n lines of so many pixels; what does not fit is cut.
func (c *canvas) wrap(s style, text string, room, n int) (lines []string) {
	words := strings.Fields(text)
	line := ""
	for len(words) > 0 {
		next := strings.TrimLeft(line+" "+words[0], " ")
		if c.width(s, next) <= room {
			line, words = next, words[1:]
			continue
		}
		if len(lines) >= n-1 {
			return append(lines, c.fit(s, strings.TrimLeft(line+" "+strings.Join(words, " "), " "), room))
		}
		if line == "" { // a word that is wider than the line is broken
			k := max(1, len([]rune(c.fit(s, words[0], room)))-1)
			r := []rune(words[0])
			line, words[0] = string(r[:k]), string(r[k:])
		}
		lines, line = append(lines, line), ""
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// pill writes a word in a coloured box that ends at right, and returns where it begins.
func (c *canvas) pill(left, middle int, col color.RGBA, text string) (right int) {
	w := c.width(strong, text)
	c.fill(image.Rect(left, middle-11, left+w+20, middle+11), 11, col)
	c.text(left+10, middle+5, strong, ground, text)
	return left + w + 20
}
