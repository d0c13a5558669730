package main

import (
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/winnow-soc/winnow/plugin/review"
)

// watchModel is the state of the live view. What it needs of the world are the functions: tests give their own.
type watchModel struct {
	read   func() news                              // blocks while it reads
	open   func(id string) ([]string, error)        // a case as lines
	ask    func(id string, a review.Action) *asking // what a decision would do
	decide func(review.Decision) (string, error)
	every  time.Duration // between readings
	grace  time.Duration // how old a heartbeat may be
	note   string        // for the head

	width, height int
	status        watchStatus
	events, held  []event // the newest first; held are those that came during a pause
	cursor        int
	paused        bool
	filter        string
	typing        bool
	shown         []string // the case that is open
	shownID       string
	scroll        int
	asking        *asking
	said          string // what became of the last decision
}

// asking is a decision that waits for a yes.
type asking struct {
	decision review.Decision
	says     string
	err      error
}

// maxEvents is how many events are kept to scroll back to.
const maxEvents = 1000

type (
	newsMsg news
	turnMsg struct{}
	caseMsg struct {
		id    string
		lines []string
		err   error
	}
	askedMsg struct{ *asking }
	doneMsg  struct {
		text string
		err  error
	}
)

// Init begins to read.
func (m *watchModel) Init() tea.Cmd { return m.reading }

func (m *watchModel) reading() tea.Msg { return newsMsg(m.read()) }

// View draws the screen.
func (m *watchModel) View() tea.View {
	v := tea.NewView(m.screen())
	v.AltScreen, v.WindowTitle = true, "winnow watch"
	return v
}

// Update takes a message in.
func (m *watchModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case newsMsg:
		m.take(news(msg))
		return m, tea.Tick(m.every, func(time.Time) tea.Msg { return turnMsg{} })
	case turnMsg:
		return m, m.reading
	case caseMsg:
		if m.shown, m.shownID, m.scroll = msg.lines, msg.id, 0; msg.err != nil {
			m.shown, m.said = nil, msg.err.Error()
		}
	case askedMsg:
		if m.asking = msg.asking; msg.err != nil {
			m.asking, m.said = nil, msg.err.Error()
		}
	case doneMsg:
		if m.said = msg.text; msg.err != nil {
			m.said = msg.err.Error()
		}
	case tea.KeyPressMsg:
		return m, m.key(msg)
	}
	return m, nil
}

// take puts what is new at the top. The selection stays on its alert.
func (m *watchModel) take(n news) {
	m.status = n.status
	if n.err != nil {
		m.said = n.err.Error()
	}
	if m.paused {
		m.held = merged(m.held, n.events)
		return
	}
	e, found := m.selected()
	m.events = merged(m.events, n.events)
	if !found || m.cursor == 0 {
		m.cursor = 0
		return
	}
	for i, other := range m.visible() {
		if other.record.ID == e.record.ID {
			m.cursor = i
		}
	}
}

// merged puts new events, the oldest first, before those there are, and keeps of an alert the last.
func merged(old, fresh []event) []event {
	out := make([]event, 0, len(old)+len(fresh))
	seen := map[string]bool{}
	add := func(e event) {
		if !seen[e.record.ID] && len(out) < maxEvents {
			seen[e.record.ID] = true
			out = append(out, e)
		}
	}
	for _, e := range slices.Backward(fresh) {
		add(e)
	}
	for _, e := range old {
		add(e)
	}
	return out
}

// visible are the events that the filter lets through: all its words, in any place.
func (m *watchModel) visible() []event {
	if m.filter == "" {
		return m.events
	}
	var out []event
	for _, e := range m.events {
		if passes(&e, m.filter) {
			out = append(out, e)
		}
	}
	return out
}

func passes(e *event, filter string) bool {
	r := &e.record
	text := strings.ToLower(strings.Join([]string{
		r.ID, r.SearchName, r.Severity.String(), string(r.Outcome.State), string(r.Outcome.Reason), r.Outcome.Actor, r.Verdict.Case.What, voteWords(r.Verdict.Votes),
	}, "\n"))
	for word := range strings.FieldsSeq(strings.ToLower(filter)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

func (m *watchModel) selected() (event, bool) {
	visible := m.visible()
	if m.cursor < 0 || m.cursor >= len(visible) {
		return event{}, false
	}
	return visible[m.cursor], true
}

// key takes a key in. While a question stands, any key but y means no.
func (m *watchModel) key(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	switch {
	case name == "ctrl+c":
		return tea.Quit
	case m.asking != nil:
		return m.answer(name == "y")
	case m.typing:
		m.typed(name, k.Key().Text)
		return nil
	}
	m.said = ""
	switch name {
	case "q":
		return tea.Quit
	case "esc":
		if m.shown == nil {
			m.filter, m.cursor = "", 0
		}
		m.shown = nil
	case "a":
		return m.question(review.Approve)
	case "r":
		return m.question(review.Reject)
	default:
		return m.move(name)
	}
	return nil
}

func (m *watchModel) move(name string) tea.Cmd {
	step := map[string]int{"up": -1, "k": -1, "down": 1, "j": 1, "pgup": -10, "pgdown": 10}[name]
	if m.shown != nil {
		m.scroll += step
		return nil
	}
	m.cursor = max(0, min(m.cursor+step, len(m.visible())-1))
	switch name {
	case "/":
		m.typing = true
	case "space":
		if m.paused = !m.paused; !m.paused {
			slices.Reverse(m.held)
			m.events, m.held, m.cursor = merged(m.events, m.held), nil, 0
		}
	case "enter":
		if e, found := m.selected(); found {
			id := e.record.ID
			return func() tea.Msg { lines, err := m.open(id); return caseMsg{id, lines, err} }
		}
	}
	return nil
}

func (m *watchModel) typed(name, text string) {
	r := []rune(m.filter)
	switch {
	case name == "enter":
		m.typing = false
	case name == "esc":
		m.typing, m.filter = false, ""
	case name == "backspace" && len(r) > 0:
		m.filter = string(r[:len(r)-1])
	case len(r) < 60:
		m.filter += plain(text)
	}
	m.cursor = 0
}

// question finds out what a decision would do, before it is taken.
func (m *watchModel) question(action review.Action) tea.Cmd {
	id := m.shownID
	if m.shown == nil {
		e, found := m.selected()
		if !found {
			return nil
		}
		id = e.record.ID
	}
	return func() tea.Msg { return askedMsg{m.ask(id, action)} }
}

func (m *watchModel) answer(yes bool) tea.Cmd {
	d := m.asking.decision
	m.asking = nil
	if !yes {
		m.said = "nothing was decided"
		return nil
	}
	m.shown = nil
	return func() tea.Msg { text, err := m.decide(d); return doneMsg{text, err} }
}
