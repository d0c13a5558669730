package allowlist

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"
)

// Suspensions is the small file that takes rules and cached verdicts out of force at once,
// without a redeploy. Both programs read it; a file that is missing or cannot be read means that
// nothing may be dropped. A nil *Suspensions suspends nothing. Not changed once read.
type Suspensions struct {
	// Rules is keyed by rule id, Verdicts by the ID of the alert that the verdict was made on.
	Rules    map[string]Suspension `json:"rules"`
	Verdicts map[string]Suspension `json:"verdicts"`

	// Lists is keyed by the name of a list and then by a value of it that is out of force, RuleSets
	// by the version of a rule set ("sha256:...").
	Lists    map[string]map[string]Suspension `json:"lists,omitempty"`
	RuleSets map[string]Suspension            `json:"rulesets,omitempty"`
}

// Suspension says who took something out of force, when and why.
type Suspension struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// maxSuspensionsFile bounds what is read at every alert.
const maxSuspensionsFile = 4 << 20

// ReadSuspensions reads the file. Every error, also that the file is missing, means that the
// caller must not drop anything: the file is made together with the state folder, so its absence
// is a fault.
func ReadSuspensions(path string) (*Suspensions, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() { // opening a pipe waits for its writer
		return nil, fmt.Errorf("read suspensions: %s is not a regular file", path)
	}
	if err == nil && info.Size() > maxSuspensionsFile {
		return nil, fmt.Errorf("read suspensions: %s has %d bytes, more than %d", path, info.Size(), maxSuspensionsFile)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf(`read suspensions: %w (bring it back from a backup; where nothing was ever suspended, write {"rules":{},"verdicts":{}} into it)`, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read suspensions: %w", err)
	}
	return ParseSuspensions(path, data)
}

// ParseSuspensions reads the file's text. Both lists must be present and nothing else, so that a cut
// or foreign JSON file, or one with a slip of the pen, is not taken for an empty one.
func ParseSuspensions(path string, data []byte) (*Suspensions, error) {
	var s Suspensions
	if err := decodeStrictly(data, &s); err != nil {
		return nil, fmt.Errorf("read suspensions: %s: %w", path, err)
	}
	if s.Rules == nil || s.Verdicts == nil {
		return nil, fmt.Errorf("read suspensions: %s: \"rules\" or \"verdicts\" is missing", path)
	}
	return &s, nil
}

// decodeStrictly reads one JSON value with known keys, and nothing after it.
func decodeStrictly(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, more := dec.Token(); !errors.Is(more, io.EOF) {
		return errors.New("there is more after its end")
	}
	return nil
}

// Encode returns the file's text.
func (s *Suspensions) Encode() []byte {
	out := s.Clone()
	data, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		panic("allowlist: suspensions do not encode: " + err.Error())
	}
	return append(data, '\n')
}

// Clone returns a copy that may be changed.
func (s *Suspensions) Clone() *Suspensions {
	out := &Suspensions{Rules: map[string]Suspension{}, Verdicts: map[string]Suspension{}}
	if s != nil {
		maps.Copy(out.Rules, s.Rules)
		maps.Copy(out.Verdicts, s.Verdicts)
		out.RuleSets = maps.Clone(s.RuleSets)
		for name, values := range s.Lists {
			out.setList(name, maps.Clone(values))
		}
	}
	return out
}

func (s *Suspensions) setList(name string, values map[string]Suspension) {
	if s.Lists == nil {
		s.Lists = map[string]map[string]Suspension{}
	}
	s.Lists[name] = values
}

// AddListValue takes a value of a list out of force.
func (s *Suspensions) AddListValue(name, value string, why Suspension) {
	if s.Lists[name] == nil {
		s.setList(name, map[string]Suspension{})
	}
	s.Lists[name][value] = why
}

// AddRuleSet takes a version of the rules out of force.
func (s *Suspensions) AddRuleSet(version string, why Suspension) {
	if s.RuleSets == nil {
		s.RuleSets = map[string]Suspension{}
	}
	s.RuleSets[version] = why
}

// ListValue reports whether a value of a list is out of force.
func (s *Suspensions) ListValue(name, value string) bool {
	if s == nil {
		return false
	}
	_, ok := s.Lists[name][value]
	return ok
}

// RuleSet reports whether a version of the rules is out of force.
func (s *Suspensions) RuleSet(version string) bool {
	if s == nil {
		return false
	}
	_, ok := s.RuleSets[version]
	return ok
}

// listValues returns the values that are out of force, by list.
func (s *Suspensions) listValues() map[string][]string {
	if s == nil || len(s.Lists) == 0 {
		return nil
	}
	out := make(map[string][]string, len(s.Lists))
	for name, values := range s.Lists {
		out[name] = slices.Sorted(maps.Keys(values))
	}
	return out
}

// Rule reports whether a rule is out of force.
func (s *Suspensions) Rule(id string) bool {
	if s == nil {
		return false
	}
	_, ok := s.Rules[id]
	return ok
}

// Verdict reports whether the verdict made on an alert was revoked.
func (s *Suspensions) Verdict(alertID string) bool {
	if s == nil {
		return false
	}
	_, ok := s.Verdicts[alertID]
	return ok
}
