package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/redact"
	"github.com/winnow-soc/winnow/plugin/state"
)

const redactHelp = `Show what of an alert would leave for a model, or draft what may.

--preview prints each alert of a file as a model would be shown it: the fields with their values,
names and addresses of yours as tokens, secrets taken out; and by name the fields that stay here
("withheld" ones keep a model from closing the alert, "left" ones do not), and those that are cut.

--propose drafts a [redact:SEARCH] stanza for each search of a file of alerts: which fields outside
of the CIM say something and may leave if you want them to, and which look irrelevant because they
are always the same, different in every alert, or the same as a field that leaves. Look at each line
before it goes into local/winnow.conf: nobody looks at a field named irrelevant, and a model can
close the alert all the same.

Nothing is sent. FILE is anything that winnow triage reads; - is standard input.`

func redactCommand(g *globals) *cobra.Command {
	var preview, propose string
	cmd := &cobra.Command{
		Use: "redact", Short: "what leaves for a model, and what may", Long: redactHelp, Args: cobra.NoArgs,
		Example: `  winnow redact --preview alerts.ndjson
  winnow redact --preview alerts.ndjson --format json | jq .withheld
  winnow redact --propose alerts.ndjson > redact.conf`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case preview != "" && propose != "":
				return usage(errors.New("--preview and --propose are two different questions"), "give one of them")
			case preview != "":
				return g.redactPreview(cmd.Context(), preview)
			case propose != "":
				return g.redactPropose(cmd.Context(), propose)
			}
			return usage(errors.New("nothing is asked for"), "give --preview FILE or --propose FILE")
		},
	}
	cmd.Flags().StringVar(&preview, "preview", "", "print what would leave of the alerts in `FILE`")
	cmd.Flags().StringVar(&propose, "propose", "", "draft [redact:SEARCH] for the alerts in `FILE`")
	return cmd
}

// newRedactor makes the redactor of a deployment, as winnow.conf says. Whoever asks models shares one.
func newRedactor(d *state.Deployment, key []byte) (*redact.Redactor, error) {
	s := d.Settings
	return redact.New(redact.Options{
		Key: key, All: s.Redact.Allow == "all", Internal: s.Redact.Networks, Domains: s.Redact.Domains,
		Search: func(name string) redact.Search {
			v := s.RedactOf(name)
			return redact.Search{Fields: v.Fields, Irrelevant: v.Irrelevant, Class: redact.Class(v.Class)}
		},
	})
}

// openRedactor makes one for commands that send nothing. Without a secret the tokens are of this run only.
func (g *globals) openRedactor(d *state.Deployment) (*redact.Redactor, error) {
	key := make([]byte, redact.KeySize)
	switch keys, err := d.Keys(); {
	case err == nil:
		if key, err = keys.Redact(); err != nil {
			return nil, err
		}
	case errors.Is(err, fs.ErrNotExist):
		rand.Read(key) //nolint:errcheck // it never fails: the program ends where there is no randomness
	default:
		return nil, err
	}
	r, err := newRedactor(d, key)
	return r, usage(err)
}

// preview is what would leave of one alert; its form in JSON is stable.
type preview struct {
	Line     int              `json:"line"` // of the file
	Search   string           `json:"search_name"`
	Class    redact.Class     `json:"class"`
	Fields   []redact.Field   `json:"fields"`
	Withheld []string         `json:"withheld"`
	Left     []string         `json:"left"`
	Cut      []string         `json:"cut"`
	Secrets  []redact.Removed `json:"secrets"`
	Tokens   map[string]int   `json:"tokens"`
}

func newPreview(r *redact.Redactor, line int, a *winnow.Alert, t *winnow.FieldTable) *preview {
	v := r.View(a, t)
	return &preview{
		Line: line, Search: a.SearchName, Class: r.Class(a.SearchName), Fields: orEmpty(v.Fields), Withheld: orEmpty(v.Withheld),
		Left: orEmpty(v.Left), Cut: orEmpty(v.Cut), Secrets: orEmpty(v.Secrets), Tokens: v.Tokens(),
	}
}

func (g *globals) redactPreview(ctx context.Context, file string) error {
	d, err := g.openFor(file)
	if err != nil {
		return err
	}
	r, err := g.openRedactor(d)
	if err != nil {
		return err
	}
	if len(d.Settings.Redact.Domains) == 0 {
		g.note("[redact] domains is empty: names below your own domains leave as they are")
	}
	alerts, unseen := 0, 0
	for s, err := range g.samples(ctx, d, file) {
		if err != nil {
			return err
		}
		p := newPreview(r, s.Line, &s.Alert, d.Fields)
		alerts++
		if len(p.Withheld)+len(p.Cut) > 0 {
			unseen++
		}
		if g.format == formatJSON {
			if err := g.json(p); err != nil {
				return err
			}
			continue
		}
		g.printPreview(p, alerts > 1)
	}
	g.note("%s; a model would not see %d of them in full, and could not close those", things(alerts, "alert", "alerts"), unseen)
	return nil
}

func (g *globals) printPreview(p *preview, apart bool) {
	w := g.styled()
	if apart {
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "line %d  %s  %s\n", p.Line, oneLine(p.Search, 80), dim.Render(string(p.Class)))
	line := func(head, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %s %s\n", dim.Render(fmt.Sprintf("%-9s", head)), text)
		}
	}
	for _, f := range p.Fields {
		line("shown", oneLine(f.Name, 60)+" = "+oneLine(strings.Join(f.Values, " | "), 500))
	}
	line("withheld", oneLine(strings.Join(p.Withheld, ", "), 2000))
	line("left", oneLine(strings.Join(p.Left, ", "), 2000))
	line("cut", oneLine(strings.Join(p.Cut, ", "), 2000))
	var secrets, tokens []string
	for _, s := range p.Secrets {
		secrets = append(secrets, s.Field+" ("+s.Kind+")")
	}
	line("secrets", oneLine(strings.Join(secrets, ", "), 2000))
	for _, kind := range slices.Sorted(maps.Keys(p.Tokens)) {
		tokens = append(tokens, fmt.Sprintf("%d %s", p.Tokens[kind], kind))
	}
	line("tokens", strings.Join(tokens, ", "))
}
