package picture

import (
	"fmt"
	"image"
	"image/color"
	"strings"

	"github.com/winnow-soc/winnow"
)

// cardsShown is how many votes stand side by side; the others are counted.
const cardsShown = 4

// drawVotes shows the votes as cards, as they come.
func (p *Path) drawVotes(c *canvas, s *Step, f frame) {
	votes := s.Votes[:min(len(s.Votes), cardsShown)]
	room := Width - 2*margin - 2*inset
	each := (room - (len(votes)-1)*cardRoom) / len(votes)
	for i := range votes[:min(f.votes, len(votes))] {
		grown := 1.0
		if i == f.votes-1 {
			grown = f.grown
		}
		left := margin + inset + i*(each+cardRoom)
		drawCard(c, image.Rect(left, panelTop+16, left+each, panelEnd-44), &votes[i], grown)
	}
	if f.votes < len(votes) || f.grown < 1 {
		return
	}
	y := panelEnd - 17
	x := margin + inset
	if more := len(s.Votes) - len(votes); more > 0 {
		x = c.text(x, y, body, dim, plural(more, "more vote")+"   ")
	}
	for _, line := range s.Lines {
		name, text, _ := strings.Cut(shown(line), ": ")
		x = c.text(x, y, body, dim, name+"  ")
		c.text(x, y, title, voteWordColour(s.Tone), c.fit(title, text, Width-margin-inset-x))
	}
}

func voteWordColour(t Tone) color.RGBA {
	if t == TonePassed {
		return green
	}
	return toneColour(t)
}

// drawCard shows one vote: who, what, how sure, and why.
func drawCard(c *canvas, r image.Rectangle, v *winnow.Vote, grown float64) {
	c.fill(r, 8, card)
	x, room := r.Min.X+14, r.Dx()-28
	c.text(x, r.Min.Y+26, strong, dim, c.fit(strong, shown(agent(v.Agent)), room))
	col := dim
	if tone := voteTone(v.Vote); tone != ToneSkipped {
		col = toneColour(tone)
	}
	c.text(x, r.Min.Y+52, title, col, shown(string(v.Vote)))
	sure := fmt.Sprint(v.Confidence)
	if v.Vote != winnow.VoteAbstain {
		c.text(r.Max.X-14-c.width(title, sure), r.Min.Y+52, title, col, sure)
	}
	bar := image.Rect(x, r.Min.Y+62, x+room, r.Min.Y+67)
	c.fill(bar, 0, rule)
	share := float64(min(max(v.Confidence, 0), 100)) / 100 * grown
	bar.Max.X = bar.Min.X + int(float64(room)*share+0.5)
	c.fill(bar, 0, col)
	words := strings.Fields(shown(v.Reason))
	words = words[:int(float64(len(words))*grown+0.5)]
	y := r.Min.Y + 90
	for _, line := range c.wrap(small, strings.Join(words, " "), room, (r.Max.Y-y)/19+1) {
		c.text(x, y, small, ink, line)
		y += 19
	}
}

// drawOutcome shows where the alert ended, and the lines for a person.
func (p *Path) drawOutcome(c *canvas, s *Step) {
	col := toneColour(s.Tone)
	c.fill(image.Rect(margin, panelTop, margin+8, panelEnd), 0, col)
	x, y := margin+inset, panelTop+42
	room := Width - margin - inset
	o := &p.alert.Record.Outcome
	end := c.text(x, y, banner, col, strings.ToUpper(shown(s.Label)))
	c.text(end+16, y, body, dim, c.fit(body, shown(words(o.Reason)+", by "+actor(o.Actor)), room-end-16))
	y += 32
	left := 0
	for _, line := range s.Lines {
		name, _, _ := strings.Cut(line, ": ")
		left = max(left, c.width(body, name)+14)
	}
	for _, text := range s.Lines {
		name, rest, _ := strings.Cut(shown(text), ": ")
		fits := min(3, (panelEnd-12-y)/lineStep+1)
		if y > panelEnd-12 {
			return
		}
		for i, line := range c.wrap(body, rest, room-x-left, fits) {
			if i == 0 {
				c.text(x, y, body, dim, name)
			}
			c.text(x+left, y, body, ink, line)
			y += lineStep
		}
		y += 4
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
