package llm

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// AttackTechnique is one entry of the ATT&CK catalogue.
type AttackTechnique struct {
	ID      string
	Name    string
	Tactics []string
	Status  string // "active", "deprecated" or "revoked"
	Active  bool
}

// Catalogue is the list of ATT&CK techniques that answers may name (default/attack.csv). Safe
// for concurrent use once read.
type Catalogue struct {
	byID map[string]AttackTechnique
	ids  []string // sorted

	words *wordIndex
}

// ReadCatalogue reads a CSV table with the columns id, name, tactics (joined by ";") and status;
// lines that start with # are comments. name is used in errors.
func ReadCatalogue(name string, r io.Reader) (*Catalogue, error) {
	cr := csv.NewReader(r)
	cr.Comment = '#'
	cr.FieldsPerRecord = 4
	head, err := cr.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: read header: %w", name, err)
	}
	if want := []string{"id", "name", "tactics", "status"}; !slices.Equal(head, want) {
		return nil, fmt.Errorf("%s: header is %q, want %s", name, strings.Join(head, ","), strings.Join(want, ","))
	}
	c := &Catalogue{byID: map[string]AttackTechnique{}}
	for {
		row, err := cr.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := c.add(row); err != nil {
			line, _ := cr.FieldPos(0)
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
	}
	if len(c.ids) == 0 {
		return nil, fmt.Errorf("%s: no techniques", name)
	}
	slices.Sort(c.ids)
	c.words = newWordIndex(c)
	return c, nil
}

func (c *Catalogue) add(row []string) error {
	t := AttackTechnique{ID: row[0], Name: row[1], Status: row[3], Active: row[3] == "active"}
	if !techniqueForm(t.ID) {
		return fmt.Errorf("technique id is %q, want T1234 or T1234.001", t.ID)
	}
	if _, twice := c.byID[t.ID]; twice {
		return fmt.Errorf("technique %s is listed twice", t.ID)
	}
	if t.Name == "" {
		return fmt.Errorf("technique %s has no name", t.ID)
	}
	if !slices.Contains([]string{"active", "deprecated", "revoked"}, t.Status) {
		return fmt.Errorf("technique %s: status is %q, want active, deprecated or revoked", t.ID, t.Status)
	}
	if row[2] != "" {
		t.Tactics = strings.Split(row[2], ";")
	}
	c.byID[t.ID] = t
	c.ids = append(c.ids, t.ID)
	return nil
}

// techniqueForm reports whether id looks like T1234 or T1234.001.
func techniqueForm(id string) bool {
	main, sub, dotted := strings.Cut(id, ".")
	if len(main) != 5 || main[0] != 'T' || !digits(main[1:]) {
		return false
	}
	return !dotted || (len(sub) == 3 && digits(sub))
}

func digits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// Technique looks an id up. A nil catalogue knows none.
func (c *Catalogue) Technique(id string) (AttackTechnique, bool) {
	if c == nil {
		return AttackTechnique{}, false
	}
	t, ok := c.byID[id]
	return t, ok
}

// Search returns the active techniques whose name or a tactic contains the text, letter case
// aside, sorted by id.
func (c *Catalogue) Search(text string) []AttackTechnique {
	text = strings.ToLower(strings.TrimSpace(text))
	if c == nil || text == "" {
		return nil
	}
	var out []AttackTechnique
	for _, id := range c.ids {
		t := c.byID[id]
		if t.Active && (strings.Contains(strings.ToLower(t.Name), text) || slices.Contains(t.Tactics, text)) {
			out = append(out, t)
		}
	}
	return out
}
