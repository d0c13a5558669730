package splunk

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
)

// Facts are what winnow has to know of one Enterprise Security before it writes to it. Sites rename,
// add and disable all of it.
type Facts struct {
	ES           int           `json:"es"`  // 7: notable_update; 8: findings
	App          string        `json:"app"` // where Enterprise Security 8 has its findings
	Statuses     Statuses      `json:"statuses"`
	Comment      CommentRule   `json:"comment"`
	Dispositions []Disposition `json:"dispositions"`
	ReadAt       time.Time     `json:"read_at"`

	// Traceless says that changes of findings leave no entry in the review history here: a person's could not
	// be told from winnow's, so winnow writes only notes.
	Traceless bool `json:"traceless"`
}

// CommentRule says what a comment must be like.
type CommentRule struct {
	Required bool `json:"required"`
	Minimum  int  `json:"minimum"` // characters
}

// Disposition is one that people can give on this site, and what winnow takes it for.
type Disposition struct {
	ID    string             `json:"id"` // like disposition:2
	Label string             `json:"label"`
	Means winnow.Disposition `json:"means"` // Undetermined for those that winnow does not know
}

// means returns what a disposition of this site says; one that is unknown here says nothing.
func (f Facts) means(id string) winnow.Disposition {
	for _, d := range f.Dispositions {
		if d.ID == id {
			return d.Means
		}
	}
	return winnow.Undetermined
}

// disposition returns the site's ID for what winnow believes: the shipped number where the site has it
// with its meaning, else the first of that meaning, else "", which sets none.
func (f Facts) disposition(of winnow.Disposition) string {
	shipped := disposition(of.ES())
	if f.means(shipped) == of && f.has(shipped) {
		return shipped
	}
	for _, d := range f.Dispositions {
		if d.Means == of && of != winnow.Undetermined {
			return d.ID
		}
	}
	return ""
}

func (f Facts) has(id string) bool {
	for _, d := range f.Dispositions {
		if d.ID == id {
			return true
		}
	}
	return false
}

// How long facts are believed, and how soon they are asked for again when that failed.
const (
	factsKept  = 24 * time.Hour
	factsAgain = 10 * time.Minute
)

// site reads and keeps the facts. What could not be read again stays as it was last good, also over a
// restart. Safe for concurrent use.
type site struct {
	client *Client
	es     conf.ES // auto, 7 or 8
	app    string  // "" or auto: both are tried
	file   string  // where the facts are kept; "" for nowhere
	now    func() time.Time

	mu    sync.Mutex
	facts Facts
	tried time.Time
	again bool // what was remembered has turned out wrong
}

// read returns the facts, asked for anew when they are a day old.
func (s *site) read(ctx context.Context) (Facts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.facts.ReadAt.IsZero() {
		s.facts, _ = readFacts(s.file) // none, or not readable: they are asked for
	}
	now := s.now()
	known := s.fits(s.facts)
	if known && !s.again && now.Sub(s.facts.ReadAt) < factsKept {
		return s.facts, nil
	}
	if known && !s.again && now.Sub(s.tried) < factsAgain {
		return s.facts, nil
	}
	s.tried = now
	facts, err := s.ask(ctx)
	if err != nil {
		if known && !s.again {
			return s.facts, nil
		}
		return Facts{}, err
	}
	facts.Traceless = s.facts.Traceless && facts.ES == 8
	s.facts, s.again = facts, false
	s.keep()
	return facts, nil
}

// traceless remembers that changes leave no trace here.
func (s *site) traceless() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.facts.Traceless = true
	s.keep()
}

// fits reports whether facts are there, and of the configuration as it is now.
func (s *site) fits(f Facts) bool {
	switch {
	case f.ReadAt.IsZero(), f.Statuses == Statuses{}:
		return false
	case s.es == conf.ES7 && f.ES != 7, s.es == conf.ES8 && f.ES != 8:
		return false
	}
	return f.ES != 8 || s.app == "" || s.app == appAuto || s.app == f.App
}

// wrong makes the next read ask anew, after an error which says that something is not where it was.
func (s *site) wrong(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code == CodeNotFound {
		s.mu.Lock()
		s.again = true
		s.mu.Unlock()
	}
	return err
}

// ask reads all facts. Without the rules for comments the shipped ones hold: winnow always comments.
func (s *site) ask(ctx context.Context) (Facts, error) {
	f := Facts{ES: 7, ReadAt: s.now().UTC()}
	var err error
	if s.es != conf.ES7 {
		if f.App, err = s.client.findingsApp(ctx, s.apps()); err != nil {
			return Facts{}, err
		}
		if f.App != "" {
			f.ES = 8
		} else if s.es == conf.ES8 {
			return Facts{}, &Error{
				Op: "look for findings", Status: 404, Code: CodeNotFound, Retry: true,
				Message: "no app has them: is Enterprise Security 8 installed? es = auto takes what is there",
			}
		}
	}
	all, err := s.client.reviewStatuses(ctx)
	if err != nil {
		return Facts{}, err
	}
	if f.Statuses, err = pickStatuses(opStatuses, all); err != nil {
		return Facts{}, err
	}
	f.Dispositions = dispositionsOf(all)
	if f.Comment, err = s.client.commentRule(ctx); err != nil && !absent(err) {
		return Facts{}, err
	}
	return f, nil
}

// absent reports whether Splunk does not have, or does not show, what was asked for.
func absent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Code == CodeNotFound || e.Code == CodeForbidden)
}

// keep writes the facts where doctor and the next worker find them. Failing to is no reason not to
// deliver: the facts are known.
func (s *site) keep() {
	if s.file == "" {
		return
	}
	data, err := json.MarshalIndent(s.facts, "", "  ")
	if err != nil {
		return
	}
	tmp := s.file + ".tmp"
	if writeSynced(tmp, append(data, '\n')) == nil {
		_ = os.Rename(tmp, s.file)
	}
}

// maxFacts bounds the file of facts.
const maxFacts = 1 << 20

// FactsFile returns where the facts of a sink are kept.
func FactsFile(state, sink string) string {
	return filepath.Join(state, "es."+strings.Map(fileRune, sink)+".json")
}

func fileRune(r rune) rune {
	if r == '-' || r == '_' || r <= 'z' && unicode.IsDigit(r) || r <= 'z' && unicode.IsLetter(r) {
		return r
	}
	return '_'
}

// ReadFacts reads what a sink's worker last knew of Enterprise Security; the error is fs.ErrNotExist
// when it has not asked yet.
func ReadFacts(state, sink string) (Facts, error) { return readFacts(FactsFile(state, sink)) }

func readFacts(path string) (Facts, error) {
	if path == "" {
		return Facts{}, fs.ErrNotExist
	}
	info, err := os.Stat(path)
	if err != nil {
		return Facts{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFacts {
		return Facts{}, errors.New(path + ": not a file of facts: delete it")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Facts{}, err
	}
	return parseFacts(data)
}

// parseFacts reads facts, and takes nothing that could not be sent.
func parseFacts(data []byte) (Facts, error) {
	var f Facts
	if err := json.Unmarshal(data, &f); err != nil {
		return Facts{}, err
	}
	bad := f.ES != 7 && f.ES != 8 || !isNumber(f.Statuses.New) || !isNumber(f.Statuses.Closed) || f.Comment.Minimum < 0 ||
		f.ES == 8 && !isApp(f.App)
	for _, d := range f.Dispositions {
		bad = bad || !dispositionForm().MatchString(d.ID)
	}
	if bad {
		return Facts{}, errors.New("the facts about Enterprise Security are damaged: they are asked for again")
	}
	return f, nil
}

const appAuto = "auto"

// apps are where findings are looked for.
func (s *site) apps() []string {
	if s.app == "" || s.app == appAuto {
		return []string{missionControl, "SplunkEnterpriseSecuritySuite"}
	}
	return []string{s.app}
}

func isApp(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}
