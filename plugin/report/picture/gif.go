package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"io"
)

// Hundredths of a second.
const (
	tick      = 5
	holdAlert = 260
	holdPass  = 90
	holdEnd   = 700
	perLetter = 4 // what a reader needs
	maxHold   = 450
)

// moving is how many frames the alert takes from gate to gate.
const moving = 7

// WriteGIF writes the way as an animation of 800 by 450 pixels that begins again at its end. It takes well below
// a second, and some megabytes of memory.
func (p *Path) WriteGIF(w io.Writer) error {
	c, err := newCanvas()
	if err != nil {
		return err
	}
	colours := palette()
	out := gif.GIF{Config: image.Config{ColorModel: colours, Width: Width, Height: Height}}
	var last *image.Paletted
	near := &nearest{palette: colours}
	for _, f := range p.frames() {
		p.draw(c, f)
		now := near.paletted(c.RGBA)
		part := changed(last, now)
		if part.Empty() { // nothing moved: the frame before stays longer
			out.Delay[len(out.Delay)-1] += f.hold
			continue
		}
		out.Image = append(out.Image, clipped(now, part))
		out.Delay = append(out.Delay, f.hold)
		out.Disposal = append(out.Disposal, gif.DisposalNone)
		last = now
	}
	var b bytes.Buffer // so that no half a picture is written
	if err := gif.EncodeAll(&b, &out); err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}

// frames is the whole animation. Gates that an alert never came to are passed without a halt.
func (p *Path) frames() []frame {
	out := []frame{{at: -1, way: 1, hold: holdAlert}}
	for i := range p.Steps {
		s := &p.Steps[i]
		for m := range moving {
			out = append(out, frame{at: i, way: eased(float64(m+1) / (moving + 1)), hold: tick})
		}
		switch {
		case i == len(p.Steps)-1:
			out = append(out, frame{at: i, way: 1, hold: holdEnd})
		case s.Tone == ToneSkipped:
			out = append(out, frame{at: i, way: 1, hold: holdPass / 2})
		case len(s.Votes) > 0:
			out = append(out, p.voteFrames(i)...)
		default:
			out = append(out, frame{at: i, way: 1, hold: reading(s)})
		}
	}
	return out
}

// voteFrames let the votes come one by one.
func (p *Path) voteFrames(i int) (out []frame) {
	const growing = 6
	votes := p.Steps[i].Votes
	n := min(len(votes), cardsShown)
	for v := range n {
		for m := range growing {
			out = append(out, frame{at: i, way: 1, votes: v + 1, grown: eased(float64(m+1) / growing), hold: tick})
		}
		out[len(out)-1].hold = min(60+len(votes[v].Reason)*perLetter/2, maxHold/2)
	}
	out[len(out)-1].hold += 150
	return out
}

// eased starts and ends a movement gently.
func eased(t float64) float64 { return t * t * (3 - 2*t) }

// reading is how long the text of a step is looked at.
func reading(s *Step) int {
	n := len(s.Title)
	for _, line := range s.Lines {
		n += len(line)
	}
	return min(holdPass+n*perLetter/2, maxHold)
}

// nearest finds the colours of a palette, and remembers what it found: six bits of a channel tell all apart that
// are in use.
type nearest struct {
	palette color.Palette
	known   [1 << 18]uint16 // the index plus 1
}

func (n *nearest) paletted(from *image.RGBA) *image.Paletted {
	to := image.NewPaletted(from.Bounds(), n.palette)
	for i := range to.Pix {
		px := from.Pix[4*i : 4*i+3 : 4*i+3]
		key := int(px[0]>>2)<<12 | int(px[1]>>2)<<6 | int(px[2]>>2)
		if n.known[key] == 0 {
			n.known[key] = uint16(n.palette.Index(color.RGBA{px[0], px[1], px[2], 0xff})) + 1 //nolint:gosec // at most 256
		}
		to.Pix[i] = uint8(n.known[key] - 1) //nolint:gosec // a palette has at most 256
	}
	return to
}

// clipped is a part of a frame; the rest need not be kept.
func clipped(from *image.Paletted, r image.Rectangle) *image.Paletted {
	to := image.NewPaletted(r, from.Palette)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		copy(to.Pix[to.PixOffset(r.Min.X, y):], from.Pix[from.PixOffset(r.Min.X, y):from.PixOffset(r.Max.X-1, y)+1])
	}
	return to
}

// changed is the smallest rectangle with every pixel in which two frames differ.
func changed(was, is *image.Paletted) (r image.Rectangle) {
	if was == nil {
		return is.Bounds()
	}
	for y := range Height {
		a, b := was.Pix[y*was.Stride:y*was.Stride+Width], is.Pix[y*is.Stride:y*is.Stride+Width]
		if bytes.Equal(a, b) {
			continue
		}
		first, end := 0, Width
		for a[first] == b[first] {
			first++
		}
		for a[end-1] == b[end-1] {
			end--
		}
		r = r.Union(image.Rect(first, y, end, y+1))
	}
	return r
}
