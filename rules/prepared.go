package rules

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"

	"github.com/winnow-soc/winnow"
)

// Prepared holds the rules and escalate entries of files, checked and ready, by the hash of each
// file's text. Reading YAML and conditions is half of what the alert action does for one alert, so
// the worker leaves this file for it. What is not in it, or not as it was, is read from its text: a
// Prepared file can be late, but it cannot be wrong about a text that has changed. Safe for
// concurrent use.
type Prepared struct {
	files map[[sha256.Size]byte]string
}

// preparedMagic begins the file; a program that writes another form of it writes another.
const preparedMagic = "winnow prepared rules 2\n"

// maxPrepared bounds the file; far larger rule sets are read from their text.
const maxPrepared = 16 << 20

// WritePrepared reads rule and escalate files, or folders of them, and writes what the alert
// action reads instead: mode 0600, all or nothing. Files in which anything is out of order are left
// out, so that whoever reads them says what that is. opts are those of [Load].
func WritePrepared(path string, opts Options, sources ...string) error {
	opts.Unproven, opts.Prepared = true, nil
	out := []byte(preparedMagic)
	eachFile(sources, func(path, _ string, data []byte) []*Error {
		if file, ok := prepare(path, data, opts); ok {
			sum := sha256.Sum256(data)
			out = append(out, sum[:]...)
			out = binary.AppendUvarint(out, uint64(len(file)))
			out = append(out, file...)
		}
		return nil
	})
	if len(out) > maxPrepared {
		out = []byte(preparedMagic)
	}
	sum := sha256.Sum256(out)
	if err := replaceFile(path, append(out, sum[:]...)); err != nil {
		return fmt.Errorf("write prepared rules: %w", err)
	}
	return nil
}

// prepare reads a file as what it is, rules or escalate entries.
func prepare(path string, data []byte, opts Options) ([]byte, bool) {
	r := newReader(path, data, opts, map[string]Position{})
	if rules := r.read(); len(r.errs) == 0 {
		c := codec{opts: opts}
		c.rules(&rules)
		return c.out, !c.bad
	}
	r = newReader(path, data, opts, map[string]Position{})
	entries := r.entries()
	c := codec{opts: opts}
	c.entries(&entries)
	return c.out, !c.bad && len(r.errs) == 0
}

// ReadPrepared reads the file. Without one it returns nil, which holds nothing; so does a damaged
// one, with an error that says so.
func ReadPrepared(path string) (*Prepared, error) {
	data, err := readCapped(path, maxPrepared+sha256.Size)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // nil holds nothing
	}
	if err != nil {
		return nil, fmt.Errorf("read prepared rules: %w", err)
	}
	p, err := parsePrepared(data)
	if err != nil {
		return nil, fmt.Errorf("read prepared rules: %s: %w: rules are read from their files", path, err)
	}
	return p, nil
}

var errPrepared = errors.New("damaged, or of another version")

func parsePrepared(data []byte) (*Prepared, error) {
	if len(data) < len(preparedMagic)+sha256.Size || string(data[:len(preparedMagic)]) != preparedMagic {
		return nil, errPrepared
	}
	body, want := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], want) {
		return nil, errPrepared
	}
	p := &Prepared{files: map[[sha256.Size]byte]string{}}
	for rest := body[len(preparedMagic):]; len(rest) > 0; {
		if len(rest) < sha256.Size {
			return nil, errPrepared
		}
		size, n := binary.Uvarint(rest[sha256.Size:])
		from := sha256.Size + n
		if n <= 0 || size > uint64(len(rest)-from) {
			return nil, errPrepared
		}
		p.files[[sha256.Size]byte(rest)] = string(rest[from : from+int(size)])
		rest = rest[from+int(size):]
	}
	return p, nil
}

// take gives a reader of an unproven set what is prepared of its file. read is one of
// codec.rules and codec.entries, which report the ids and places that they find to the codec.
func (p *Prepared) take(r *ruleReader, read func(*codec)) bool {
	if p == nil || !r.opts.Unproven {
		return false
	}
	file, ok := p.files[sha256.Sum256(r.data)]
	if !ok {
		return false
	}
	c := codec{reading: true, in: file, file: r.file, opts: r.opts, ids: map[string]Position{}}
	read(&c)
	if c.bad || c.in != "" {
		return false
	}
	for id := range c.ids {
		if _, twice := r.seen[id]; twice {
			return false // the text is read, to say where
		}
	}
	maps.Copy(r.seen, c.ids)
	return true
}

// What a prepared file begins with.
var preparedKinds = []string{"rules", "escalate"}

func (c *codec) rules(list *[]*Rule) {
	kind := "rules"
	c.word(&kind, preparedKinds)
	c.bad = c.bad || kind != "rules"
	each(c, list, c.rule)
}

func (c *codec) entries(list *[]*Entry) {
	kind := "escalate"
	c.word(&kind, preparedKinds)
	c.bad = c.bad || kind != "escalate"
	each(c, list, c.entry)
}

// rule writes or reads all of an unproven rule.
func (c *codec) rule(p **Rule) {
	r := part(c, p)
	c.text(&r.ID)
	c.place(&r.Pos, r.ID)
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
	c.bad = c.bad || r.MaxSeverity > winnow.SeverityMedium
	optional(c, &r.Window, c.window)
	c.float(&r.Canary)
	c.when(&r.When, &r.later)
}

func (c *codec) entry(p **Entry) {
	e := part(c, p)
	c.text(&e.ID)
	c.place(&e.Pos, e.ID)
	c.text(&e.Description)
	each(c, &e.Techniques, c.text)
	c.when(&e.When, &e.later)
}

// place writes where something with an id stands in its file.
func (c *codec) place(pos *Position, id string) {
	number(c, &pos.Line)
	number(c, &pos.Column)
	if !c.reading {
		return
	}
	pos.File = c.file
	_, twice := c.ids[id]
	c.ids[id], c.bad = *pos, c.bad || twice
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

// when writes a condition with its text; one that is not in the language has its text only. When it
// is read, it waits for an alert that it may speak of; where it does not serve, its text is read.
func (c *codec) when(text *string, p **later) {
	l := part(c, p)
	form := ""
	if !c.reading {
		form = l.form()
	}
	c.text(text)
	c.flag(&l.compareFields)
	c.flag(&l.always)
	each(c, &l.fields, c.text)
	if c.text(&form); !c.reading {
		return
	}
	v := vocabulary{fields: c.opts.Fields, lists: c.opts.Lists, compareFields: l.compareFields, unproven: true}
	source := *text
	l.read = func() (*condition, error) {
		if cond, ok := readCondition(form, v.lists); ok {
			return cond, nil
		}
		return parseCondition(source, v)
	}
}
