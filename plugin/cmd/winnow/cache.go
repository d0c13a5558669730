package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
)

func cacheCommand(g *globals) *cobra.Command {
	return group("cache", "verdicts that answer for repeats", `  winnow cache why 01J9ZV3M4T5Q6R7S8T9VAWBXCY`,
		&cobra.Command{
			Use: "why ID", Short: "why an alert was, or was not, closed from the cache", Args: cobra.ExactArgs(1),
			Long: `Show an alert's cache key: which fields make it, which are left out because they differ every time,
the verdict kept under it, and the alerts with the same key that are still open.`,
			Example: `  winnow cache why 01J9ZV3M4T5Q6R7S8T9VAWBXCY`,
			RunE: func(cmd *cobra.Command, args []string) error {
				return g.cacheWhy(cmd.Context(), strings.ToUpper(args[0]))
			},
		},
	)
}

// cacheStory is what `cache why` prints as JSON.
type cacheStory struct {
	ID       string     `json:"id"`
	Key      string     `json:"key"`
	Counted  []string   `json:"counted"`  // fields that make the key
	Volatile []string   `json:"volatile"` // fields left out
	Verdict  *keptEntry `json:"verdict"`  // kept under the key, or null
	Open     []string   `json:"open"`     // alerts with the key that wait for a person
	Why      string     `json:"why"`
}

type keptEntry struct {
	Alert       string    `json:"alert"`
	Disposition string    `json:"disposition"`
	Source      string    `json:"source"`
	Since       time.Time `json:"since"`
	Expires     time.Time `json:"expires"`
	Facts       []string  `json:"facts"`
}

func (g *globals) cacheWhy(ctx context.Context, id string) error {
	return g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		entry, err := t.Alert(id)
		if err != nil {
			return usage(err, "`winnow ledger export` lists every alert with its id")
		}
		s := cacheStory{ID: id, Key: entry.Key.String(), Counted: []string{}, Volatile: []string{}}
		for _, name := range entry.Alert.Fields.Names() {
			if d.Fields.Lookup(entry.Alert.SearchName, name).Volatile {
				s.Volatile = append(s.Volatile, name)
			} else {
				s.Counted = append(s.Counted, name)
			}
		}
		if s.Open, err = t.OpenWithKey(entry.Key); err != nil {
			return err
		}
		s.Open = orEmpty(s.Open)
		v, kept, err := t.Verdict(entry.Key)
		if err != nil {
			return err
		}
		if kept {
			s.Verdict = &keptEntry{v.AlertID, v.Disposition.String(), string(v.Source), v.At, v.Expires, orEmpty(v.Facts)}
		}
		s.Why = cacheReason(&entry, &s)
		if g.format == formatJSON {
			return g.json(s)
		}
		g.printCacheStory(&s)
		return nil
	})
}

// cacheReason says in a sentence what the cache did with the alert.
func cacheReason(e *ledger.Entry, s *cacheStory) string {
	received := e.Alert.Received
	switch {
	case e.Derived != "":
		return "closed: the verdict on " + e.Derived + " was valid when it was received"
	case e.Joined != "":
		return "not closed: it repeats " + e.Joined + ", which waits for a person"
	case e.Alert.Adhoc:
		return "not asked: a person wanted this triage"
	case s.Verdict == nil:
		return "no verdict is kept under this key: only benign, untainted verdicts of a model or a person are"
	case received.Before(s.Verdict.Since):
		return "the verdict kept now was made after this alert was received"
	case !received.Before(s.Verdict.Expires):
		return "the verdict kept had expired when this alert was received"
	case s.Verdict.Alert == s.ID:
		return "the verdict kept is this alert's own"
	}
	return "a verdict is kept, but it was blocked: its source and destination had an open escalation, its severity was above the verdict's, or the verdict was revoked"
}

func (g *globals) printCacheStory(s *cacheStory) {
	w := g.styled()
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "%s %s\n", dim.Render(fmt.Sprintf("%-10s", name)), plain(text))
		}
	}
	line("alert", s.ID)
	line("key", s.Key)
	line("counted", strings.Join(s.Counted, ", "))
	line("volatile", strings.Join(s.Volatile, ", "))
	if v := s.Verdict; v != nil {
		line("verdict", fmt.Sprintf("%s by %s on %s, valid from %s to %s", v.Disposition, v.Source, v.Alert,
			v.Since.Format(time.RFC3339), v.Expires.Format(time.RFC3339)))
	}
	if len(s.Open) > 0 {
		line("open", fmt.Sprintf("%s with this key for a person, the first is %s", things(len(s.Open), "alert waits", "alerts wait"), s.Open[0]))
	}
	line("why", s.Why)
}
