package rules

import (
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
)

// rule writes or reads all that the alert action needs of a rule: not its tests.
func (c *codec) rule(p **Rule) {
	r := part(c, p)
	c.text(&r.ID)
	c.place(&r.Pos)
	for _, text := range []*string{&r.Description, &r.Owner, &r.Reason, &r.Ticket} {
		c.text(text)
	}
	c.expiry(&r.Expires)
	each(c, &r.Searches, c.text)
	c.flag(&r.Global)
	mode := string(r.Mode)
	c.word(&mode, []string{string(ModeShadow), string(ModeEnforce)})
	r.Mode = Mode(mode)
	number(c, &r.MaxSeverity)
	c.bad = c.bad || r.MaxSeverity > winnow.SeverityCritical
	optional(c, &r.Window, c.window)
	c.float(&r.Canary)
	c.when(&r.loaded, &r.When)
}

func (c *codec) entry(p **Entry) {
	e := part(c, p)
	c.text(&e.ID)
	c.place(&e.Pos)
	c.text(&e.Description)
	each(c, &e.Techniques, c.text)
	c.when(&e.loaded, &e.When)
}

// place writes where something stands: which of the files, line and column.
func (c *codec) place(pos *Position) {
	file := slices.Index(c.files, pos.File)
	c.bad = c.bad || !c.reading && file < 0
	number(c, &file)
	number(c, &pos.Line)
	number(c, &pos.Column)
	if !c.reading {
		return
	}
	if file < 0 || file >= len(c.files) {
		c.bad = true
		return
	}
	pos.File = c.files[file]
}

// expiry writes an instant by its day. By today's clock it may be too far ahead.
func (c *codec) expiry(t *time.Time) {
	days := int(t.Unix() / secondsADay)
	if number(c, &days); c.reading {
		*t = time.Unix(int64(days)*secondsADay, 0).UTC()
		c.bad = c.bad || t.AddDate(0, 0, -1).After(latestExpiry(c.opts.Now))
	}
}

const secondsADay = 24 * 60 * 60

func (c *codec) window(p **Window) {
	w := part(c, p)
	for i := range w.Days {
		c.flag(&w.Days[i])
	}
	number(c, &w.From)
	number(c, &w.To)
	name := ""
	if !c.reading {
		name = w.Zone.String()
	}
	if c.text(&name); c.reading {
		zone, err := loadZone(name)
		w.Zone, c.bad = zone, c.bad || err != nil
	}
}

// when writes a condition with its text. When it is read, it waits for an alert that it may speak
// of; where it does not serve, its text is read.
func (c *codec) when(w *loaded, text *string) {
	l, form := &later{}, ""
	if !c.reading {
		l = newLater(*text, vocabulary{compareFields: w.compareFields})
		form = w.form()
	}
	c.text(text)
	c.flag(&w.compareFields)
	c.flag(&l.always)
	each(c, &l.fields, c.text)
	if c.text(&form); !c.reading {
		return
	}
	v := vocabulary{fields: c.opts.Fields, lists: c.opts.Lists, compareFields: w.compareFields, unproven: true}
	source := *text
	l.read = func() (*condition, error) {
		if cond, ok := readCondition(form, v.lists); ok {
			return cond, nil
		}
		return parseCondition(source, v)
	}
	w.later = l
}
