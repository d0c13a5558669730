package knowledge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// errUnknownJSON says what would be read.
var errUnknownJSON = errors.New("not a feed that is known (want CISA's known exploited vulnerabilities, a MISP event or warning list, or the JSON of ThreatFox or Feodo Tracker)")

// readJSON tells a JSON feed by its keys.
func (b *batch) readJSON(data []byte) error {
	if bytes.TrimSpace(data)[0] == '[' {
		return b.feodo(data)
	}
	var top map[string]json.RawMessage
	if err := decode(data, data, &top); err != nil {
		return err
	}
	switch {
	case top["vulnerabilities"] != nil:
		return b.kev(data, top["vulnerabilities"])
	case top["Event"] != nil:
		return b.event(data, top["Event"])
	case top["response"] != nil:
		return b.events(data, top["response"])
	case top["list"] != nil && top["type"] != nil:
		return b.readWarninglist(data, top)
	case top["query_status"] != nil && top["data"] != nil:
		return b.threatFox(data, top["data"])
	case isManifest(top):
		return nil // which names the events of a MISP feed, and holds none
	}
	return b.threatFoxExport(data, top)
}

// decode reads part of a file, and says on which line of the whole it cannot.
func decode(whole, part []byte, into any) error {
	err := json.Unmarshal(part, into)
	if err == nil {
		return nil
	}
	offset := int64(-1)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = e.Offset
	} else if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = e.Offset
		err = fmt.Errorf("%s is a %s", e.Field, e.Value)
	}
	if offset < 0 {
		return err
	}
	start := max(bytes.Index(whole, part), 0)
	return fmt.Errorf("line %d: %w", 1+bytes.Count(whole[:min(start+int(offset), len(whole))], []byte("\n")), err)
}

func (b *batch) kev(whole, part []byte) error {
	var list []struct {
		ID         string `json:"cveID"`
		Vendor     string `json:"vendorProject"`
		Product    string `json:"product"`
		Name       string `json:"vulnerabilityName"`
		Added      string `json:"dateAdded"`
		Due        string `json:"dueDate"`
		Ransomware string `json:"knownRansomwareCampaignUse"`
	}
	if err := decode(whole, part, &list); err != nil {
		return err
	}
	b.exploited = make(map[string]map[string]string, len(list))
	for i, v := range list {
		if id := cveForm.FindString(v.ID); id == "" || id != v.ID {
			return fmt.Errorf("vulnerability %d: cveID is %.40q", i+1, v.ID)
		}
		data := map[string]string{}
		for name, text := range map[string]string{
			"vendor": v.Vendor, "product": v.Product, "name": v.Name, "added": v.Added, "due": v.Due, "ransomware": v.Ransomware,
		} {
			if text != "" {
				data[name] = short(text)
			}
		}
		b.exploited[strings.ToUpper(v.ID)] = data
	}
	return nil
}

type mispEvent struct {
	Info       string          `json:"info"`
	Date       string          `json:"date"`
	Attributes []mispAttribute `json:"Attribute"`
	Objects    []struct {
		Name       string          `json:"name"`
		Attributes []mispAttribute `json:"Attribute"`
	} `json:"Object"`
	Tags []struct {
		Name string `json:"name"`
	} `json:"Tag"`
}

type mispAttribute struct {
	Type     string `json:"type"`
	Value    string `json:"value"`
	Category string `json:"category"`
	ForIDS   bool   `json:"to_ids"`
	Deleted  bool   `json:"deleted"`
}

func (b *batch) events(whole, part []byte) error {
	var list []struct {
		Event json.RawMessage `json:"Event"`
	}
	if err := decode(whole, part, &list); err != nil {
		return err
	}
	for _, e := range list {
		if e.Event == nil {
			return errors.New(`response holds something that is no {"Event": ...}`)
		}
		if err := b.event(whole, e.Event); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) event(whole, part []byte) error {
	var e mispEvent
	if err := decode(whole, part, &e); err != nil {
		return err
	}
	var tags []string
	for _, t := range e.Tags {
		tags = append(tags, t.Name)
	}
	said := label{feed: "MISP", threat: e.Info, tags: strings.Join(tags, ", ")}
	b.attributes(said, e.Date, e.Attributes)
	for _, o := range e.Objects {
		b.attributes(said, e.Date, o.Attributes)
	}
	return nil
}

// attributes keeps those that their author calls fit for detection. A composite like domain|ip is two.
func (b *batch) attributes(said label, date string, list []mispAttribute) {
	for _, a := range list {
		if !a.ForIDS || a.Deleted {
			continue
		}
		types, values := strings.Split(a.Type, "|"), strings.Split(a.Value, "|")
		if len(types) != len(values) {
			continue
		}
		for i, t := range types {
			b.add(kindOfType(t), values[i], said, dayOf(date))
		}
	}
}

// threatFoxItem is one indicator, as the export or as the interface writes it.
type threatFoxItem struct {
	Value      string          `json:"ioc_value"`
	IOC        string          `json:"ioc"`
	Type       string          `json:"ioc_type"`
	Threat     string          `json:"threat_type"`
	Malware    string          `json:"malware_printable"`
	First      string          `json:"first_seen_utc"`
	FirstSeen  string          `json:"first_seen"`
	Confidence int             `json:"confidence_level"`
	Tags       json.RawMessage `json:"tags"` // a text with commas, a list, or null
}

func (b *batch) item(v *threatFoxItem) error {
	value, seen := v.Value+v.IOC, v.First
	if value == "" || v.Type == "" {
		return errors.New("an entry has no ioc or no ioc_type")
	}
	if seen == "" {
		seen = v.FirstSeen
	}
	var list []string
	var text string
	if json.Unmarshal(v.Tags, &list) == nil {
		text = strings.Join(list, ", ")
	} else {
		_ = json.Unmarshal(v.Tags, &text) // what is neither is no tag
	}
	sure := ""
	if v.Confidence > 0 {
		sure = strconv.Itoa(v.Confidence)
	}
	b.add(kindOfType(v.Type), value, label{feed: "ThreatFox", threat: known(v.Threat), malware: known(v.Malware), tags: text, confidence: sure}, dayOf(seen))
	return nil
}

func (b *batch) threatFox(whole, part []byte) error {
	var list []threatFoxItem
	if err := decode(whole, part, &list); err != nil {
		return err
	}
	for i := range list {
		if err := b.item(&list[i]); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
	}
	return nil
}

// threatFoxExport is an object of lists by the number of the indicator.
func (b *batch) threatFoxExport(whole []byte, top map[string]json.RawMessage) error {
	for _, id := range slices.Sorted(maps.Keys(top)) {
		if _, err := strconv.ParseUint(id, 10, 64); err != nil {
			return errUnknownJSON
		}
		if err := b.threatFox(whole, top[id]); err != nil {
			return err
		}
	}
	if len(top) == 0 {
		return errUnknownJSON
	}
	return nil
}

func (b *batch) feodo(data []byte) error {
	var list []struct {
		IP      string `json:"ip_address"`
		Status  string `json:"status"`
		First   string `json:"first_seen"`
		Malware string `json:"malware"`
	}
	if err := decode(data, data, &list); err != nil {
		return err
	}
	for i, v := range list {
		if _, ok := parseIP(v.IP); !ok {
			return fmt.Errorf("entry %d: ip_address is %.60q: %w", i+1, v.IP, errUnknownJSON)
		}
		b.add(kindIP, v.IP, label{feed: "Feodo Tracker", malware: known(v.Malware)}, dayOf(v.First))
	}
	return nil
}

// isManifest reports whether every key is the id of a MISP event.
func isManifest(top map[string]json.RawMessage) bool {
	for id := range top {
		if len(id) != 36 || strings.Count(id, "-") != 4 {
			return false
		}
	}
	return len(top) > 0
}
