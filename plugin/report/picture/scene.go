package picture

import (
	"fmt"
	"image"
	"image/color"
	"strings"

	"github.com/winnow-soc/winnow"
)

// Where things stand.
const (
	margin    = 28
	trackTop  = 70
	trackY    = 106
	panelTop  = 172
	panelEnd  = 414
	inset     = 22 // from the panel's edge to its text
	lineStep  = 23
	cardRoom  = 10 // between cards
	nodeSize  = 12.0
	trackFrom = margin + 52
	trackTo   = Width - margin - 52
)

// frame is what one picture shows.
type frame struct {
	at    int     // the gate that the alert stands at; -1 is before the first
	way   float64 // how far it has gone from the gate before to this one, 0 to 1
	votes int     // votes that are shown
	grown float64 // how much of the last vote's bar is there, 0 to 1
	hold  int     // hundredths of a second that it stays
}

func toneColour(t Tone) color.RGBA {
	switch t {
	case ToneClosed:
		return green
	case ToneReview, ToneWarned:
		return amber
	case ToneEscalate:
		return red
	case TonePassed:
		return blue
	case ToneSkipped:
	}
	return rule
}

func severityColour(s winnow.Severity) color.RGBA {
	switch {
	case s >= winnow.SeverityHigh:
		return red
	case s == winnow.SeverityMedium:
		return amber
	case s == winnow.SeverityUnknown:
		return dim
	}
	return blue
}

// draw draws a frame over the one before.
func (p *Path) draw(c *canvas, f frame) {
	if c.panel == nil {
		c.fill(c.Bounds(), 0, ground)
		p.drawHead(c)
		p.drawFoot(c)
	}
	c.fill(image.Rect(0, trackTop, Width, panelTop), 0, ground)
	p.drawTrack(c, f)
	if f.way < 1 { // on the way to a gate, what the gate before said
		f = frame{at: f.at - 1, way: 1, votes: cardsShown, grown: 1}
	}
	f.hold = 0
	if c.panel == nil || *c.panel != f {
		c.panel = &f
		c.fill(image.Rect(margin, panelTop, Width-margin, panelEnd), 0, ground)
		c.fill(image.Rect(margin, panelTop, Width-margin, panelEnd), 10, panel)
		p.drawPanel(c, f)
	}
}

// drawPanel shows what the gate says.
func (p *Path) drawPanel(c *canvas, f frame) {
	if f.at < 0 {
		p.drawAlert(c, ink, "What came in")
		return
	}
	s := &p.Steps[f.at]
	switch {
	case f.at == len(p.Steps)-1:
		p.drawOutcome(c, s)
	case len(s.Votes) > 0:
		p.drawVotes(c, s, f)
	case len(s.Lines) == 0:
		p.drawAlert(c, titleColour(s.Tone), s.Title)
	default:
		p.drawStep(c, s)
	}
}

func titleColour(t Tone) color.RGBA {
	if t == TonePassed || t == ToneSkipped {
		return ink
	}
	return toneColour(t)
}

func (p *Path) drawHead(c *canvas) {
	r := &p.alert.Record
	when := r.Time.UTC().Format("2006-01-02 15:04:05") + " UTC"
	room := Width - 2*margin - c.width(monoSmall, r.ID) - 140
	x := c.text(margin, 44, heading, ink, c.fit(heading, shown(r.SearchName), room))
	c.pill(x+14, 36, severityColour(r.Severity), r.Severity.String())
	c.text(Width-margin-c.width(monoSmall, when), 34, monoSmall, dim, when)
	c.text(Width-margin-c.width(monoSmall, r.ID), 52, monoSmall, dim, r.ID)
}

func (p *Path) nodeX(i int) int {
	return trackFrom + i*(trackTo-trackFrom)/(len(p.Steps)-1)
}

// drawTrack shows the gates: those passed in their colour, the alert as a light between them.
func (p *Path) drawTrack(c *canvas, f frame) {
	c.fill(image.Rect(0, trackY-1, trackTo, trackY+2), 0, rule)
	at := 0
	if f.at >= 0 {
		from := 0
		if f.at > 0 {
			from = p.nodeX(f.at - 1)
		}
		at = from + int(f.way*float64(p.nodeX(f.at)-from)+0.5)
	}
	c.fill(image.Rect(0, trackY-1, at, trackY+2), 0, blue)
	for i := range p.Steps {
		s := &p.Steps[i]
		x := p.nodeX(i)
		reached := p.reached(i, f)
		c.disc(x, nodeSize+4, 0, ground)
		switch {
		case !reached || s.Tone == ToneSkipped:
			c.disc(x, nodeSize, 2, rule)
		default:
			c.disc(x, nodeSize, 0, toneColour(s.Tone))
		}
		p.drawName(c, s, x, reached, i == f.at)
	}
	if f.at >= 0 && (f.way < 1 || !p.reached(f.at, f)) {
		c.disc(at, 9, 0, blue)
		c.disc(at, 5, 0, ink)
	}
}

// reached reports whether a gate has said what it says. The analysts have when all votes are there.
func (p *Path) reached(i int, f frame) bool {
	if i != f.at {
		return i < f.at
	}
	n := min(len(p.Steps[i].Votes), cardsShown)
	return f.way >= 1 && (n == 0 || f.votes >= n && f.grown >= 1)
}

func (p *Path) drawName(c *canvas, s *Step, x int, reached, here bool) {
	name, label := dim, dim
	if here && reached {
		name = ink
	}
	c.centred(x, trackY+34, 130, strong, name, s.Gate)
	if !reached {
		return
	}
	if s.Tone != ToneSkipped && s.Tone != TonePassed {
		label = toneColour(s.Tone)
	}
	c.centred(x, trackY+51, 128, tiny, label, shown(s.Label))
}

// fieldRows is how many fields of the alert are shown.
const fieldRows = 8

// drawAlert shows what came in, under a title: what the verdict cites first, in red what tries to steer.
func (p *Path) drawAlert(c *canvas, col color.RGBA, head string) {
	x, y := margin+inset, panelTop+34
	c.text(x, y, title, col, c.fit(title, shown(head), Width-2*margin-2*inset))
	y += 8
	names := p.fieldNames()
	left := 0
	for _, name := range names {
		left = max(left, c.width(mono, c.fit(mono, shown(name), 190)))
	}
	for _, name := range names {
		y += lineStep
		col := ink
		if p.tainted(name) {
			col = red
		}
		c.text(x, y, mono, dim, c.fit(mono, shown(name), 190))
		value := shown(strings.Join(p.alert.Fields[name], " | "))
		c.text(x+left+18, y, mono, col, c.fit(mono, value, Width-2*margin-2*inset-left-18))
	}
}

// fieldNames are the fields that say most: those that the verdict cites, those that everybody looks for, then
// the rest by name.
func (p *Path) fieldNames() []string {
	var out []string
	seen := map[string]bool{}
	add := func(name string) {
		if len(p.alert.Fields[name]) > 0 && !seen[name] && len(out) < fieldRows {
			seen[name] = true
			out = append(out, name)
		}
	}
	for _, e := range p.alert.Record.Verdict.Evidence {
		add(e.Field)
	}
	for _, name := range []string{"signature", "user", "src", "dest", "action", "process", "url", "query"} {
		add(name)
	}
	for _, name := range p.alert.Fields.Names() {
		if !strings.HasPrefix(name, "_") { // Splunk's own
			add(name)
		}
	}
	return out
}

// tainted reports whether the scan found something in a field: taint is "injection:FIELD:PATTERN".
func (p *Path) tainted(field string) bool {
	for _, t := range p.alert.Record.Verdict.Taint {
		if _, rest, ok := strings.Cut(t, ":"); ok && strings.HasPrefix(rest, field+":") {
			return true
		}
	}
	return false
}

// drawStep shows what one gate says.
func (p *Path) drawStep(c *canvas, s *Step) {
	x, y := margin+inset, panelTop+34
	room := Width - 2*margin - 2*inset
	for _, line := range c.wrap(title, shown(s.Title), room, 2) {
		c.text(x, y, title, titleColour(s.Tone), line)
		y += 26
	}
	y += 4
	for _, text := range s.Lines {
		name, _, _ := strings.Cut(text, ": ")
		col := dim
		if p.tainted(name) {
			col = red
		}
		if y > panelEnd-12 {
			return
		}
		for _, line := range c.wrap(body, shown(text), room, min(5, (panelEnd-12-y)/lineStep+1)) {
			c.text(x, y, body, col, line)
			y += lineStep
		}
		y += 4
	}
}

func (p *Path) drawFoot(c *canvas) {
	r := &p.alert.Record
	cost := "cost " + winnow.NanoUSD(r.Cost.MicroUSD*1000).String() + " in " + plural(r.Cost.Calls, "call")
	if r.Cost.Unpriced > 0 {
		cost += fmt.Sprintf(", %d without a price", r.Cost.Unpriced)
	}
	if r.Cost.Calls == 0 {
		cost = "$0: no model was asked"
	}
	c.text(margin, Height-12, tiny, dim, cost)
	c.text(Width-margin-c.width(tiny, "winnow"), Height-12, tiny, dim, "winnow")
}
