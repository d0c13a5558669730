package conf

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ActionRun says whether approved actions are carried out.
type ActionRun string

// The values.
const (
	ActionOff    ActionRun = "off"     // none is proposed
	ActionDryRun ActionRun = "dry_run" // it is noted what would be done
	ActionOn     ActionRun = "on"
)

// ActionType says how an action is carried out.
type ActionType string

// The values.
const (
	ActionWebhook ActionType = "webhook" // a signed request to a server of yours
	ActionSplunk  ActionType = "splunk"  // an adaptive response action of Splunk
	ActionProgram ActionType = "program" // a program on this machine, without a shell
)

// Action is [action:KIND]: how people's approvals are carried out.
type Action struct {
	Run     ActionRun
	Type    ActionType
	Undo    bool // it can be taken back
	Timeout time.Duration

	URL          string // webhook
	Key          string // webhook: where the secret is: env:NAME, file:PATH or password:REALM/NAME
	CAFile       string
	Proxy        string
	AllowPrivate bool

	AlertAction     string // splunk: its name
	UndoAlertAction string // splunk: the one that takes it back
	Param           string // splunk: the parameter that takes the target

	Program  string   // program: absolute path
	Args     []string // program: {target} is the target, in an argument of its own
	UndoArgs []string
}

func (a *Action) keys() []key {
	keys := []key{
		{name: "undo", set: boolean(&a.Undo)},
		{name: "timeout", set: duration(&a.Timeout, second, 5*time.Minute)},
		{name: "url", set: anyText(&a.URL)},
		{name: "key", set: keyPlace(&a.Key)},
		{name: "ca_file", set: anyText(&a.CAFile)},
		{name: "proxy", set: anyText(&a.Proxy)},
		{name: "allow_private", set: boolean(&a.AllowPrivate)},
		{name: "alert_action", set: word(&a.AlertAction)},
		{name: "undo_alert_action", set: word(&a.UndoAlertAction)},
		{name: "param", set: word(&a.Param)},
		{name: "program", set: anyText(&a.Program)},
		{name: "args", set: list(&a.Args)},
		{name: "undo_args", set: list(&a.UndoArgs)},
	}
	for i := range keys {
		keys[i].optional = true
	}
	return append(keys,
		key{name: "run", set: oneOf(&a.Run, ActionOff, ActionDryRun)},
		key{name: "type", set: oneOf(&a.Type, ActionWebhook, ActionSplunk, ActionProgram)})
}

// word takes a name as Splunk's conf files have them.
func word(to *string) func(string) error {
	return func(s string) error {
		for _, r := range s {
			if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '.' && r != '-' {
				return fmt.Errorf("%q is not a name of letters, digits, _ . and -", s)
			}
		}
		*to = s
		return nil
	}
}

// ActionKinds are the names that [action:KIND] may have.
var ActionKinds = []string{"block", "disable"}

// Actions returns the response actions that are not off, by kind.
func (s *Settings) Actions() map[string]Action {
	out := maps.Clone(s.actions)
	maps.DeleteFunc(out, func(_ string, a Action) bool { return a.Run == ActionOff })
	return out
}

// ApproversOf is how many people must approve an action of a kind.
func (v *Review) ApproversOf(kind string) int {
	if slices.Contains(v.TwoApprovers, kind) {
		return 2
	}
	return 1
}

func (r *reader) action(stanza, name string) {
	if !r.oneOf(stanza, name, ActionKinds) {
		return
	}
	v := Action{Timeout: 30 * time.Second}
	before := len(r.errs)
	r.fill(stanza, v.keys())
	r.s.actions[name] = v
	if len(r.errs) > before || v.Run == ActionOff {
		return
	}
	if key, problem := v.check(); problem != nil {
		at, ok := r.file.Lookup(stanza, key)
		if !ok {
			at, _ = r.file.At(stanza)
		}
		r.fail(&Error{At: at, Stanza: stanza, Key: key, Message: problem.Error()})
	}
}

// check holds the keys against each other, and names the one that is wrong.
func (a *Action) check() (key string, err error) {
	switch a.Type {
	case ActionWebhook:
		if a.Key == "" {
			return "key", errors.New("missing: where the secret is: env:NAME, file:PATH or password:REALM/NAME")
		}
		return "url", (&Sink{Type: SinkWebhook, URL: a.URL}).checkURL()
	case ActionSplunk:
		switch {
		case a.AlertAction == "":
			return "alert_action", errors.New("missing: the name of the alert action, as alert_actions.conf has it")
		case a.Param == "":
			return "param", errors.New("missing: the parameter of the alert action that takes the target")
		case a.Undo && a.UndoAlertAction == "":
			return "undo_alert_action", errors.New("missing: with undo = 1, the alert action that takes the other back")
		}
	case ActionProgram:
		switch {
		case !filepath.IsAbs(a.Program):
			return "program", errors.New("is not the absolute path of a program")
		case !slices.Contains(a.Args, Target):
			return "args", errors.New("have no " + Target + " as an argument of its own")
		case a.Undo && !slices.Contains(a.UndoArgs, Target):
			return "undo_args", errors.New("have no " + Target + " as an argument of its own: with undo = 1 they take the action back")
		case slices.ContainsFunc(slices.Concat(a.Args, a.UndoArgs), func(s string) bool { return s != Target && strings.Contains(s, Target) }):
			return "args", errors.New("have " + Target + " inside another argument: give it one of its own")
		}
	}
	return "", nil
}

// Target stands for an action's target among the arguments of a program.
const Target = "{target}"

// actionKinds takes kinds of actions.
func actionKinds(to *[]string) func(string) error {
	return func(s string) error {
		var names []string
		if err := list(&names)(s); err != nil {
			return err
		}
		for _, name := range names {
			if !slices.Contains(ActionKinds, name) {
				return fmt.Errorf("unknown action %q%s", name, nearest(name, ActionKinds))
			}
		}
		*to = names
		return nil
	}
}
