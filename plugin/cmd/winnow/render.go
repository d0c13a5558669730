package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report/picture"
	"github.com/winnow-soc/winnow/plugin/state"
)

const renderHelp = `Draw the way that one alert took: the gates it came by, the votes with their reasons, what the guards
had to say, and where it ended.

"mermaid" is a flowchart as text, for tickets and pages that show Mermaid. "gif" is an animation of 800
by 450 pixels that needs no program but a browser. Text of the alert is escaped in both. The same
record makes the same picture.`

func renderCommand(g *globals) *cobra.Command {
	var as, out string
	cmd := &cobra.Command{
		Use: "render ID", Short: "draw the way one alert took", Long: renderHelp, Args: cobra.ExactArgs(1),
		Example: `  winnow render 01J9ZV3M4T5Q6R7S8T9VAWBXCY
  winnow render 01J9ZV3M4T5Q6R7S8T9VAWBXCY --as gif --out case.gif`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.render(cmd.Context(), strings.ToUpper(args[0]), as, out)
		},
	}
	cmd.Flags().StringVar(&as, "as", "mermaid", "the `KIND` of picture: mermaid or gif")
	cmd.Flags().StringVar(&out, "out", "", "the `FILE` to write (default: standard output)")
	return cmd
}

func (g *globals) render(ctx context.Context, id, as, out string) error {
	switch {
	case as != "mermaid" && as != "gif":
		return usage(fmt.Errorf("unknown --as %q (want mermaid or gif)", as))
	case as == "gif" && out == "" && g.format == formatTable && terminal(g.out):
		return usage(errors.New("a terminal shows no gif"), "name a file with --out FILE, or send the output to one")
	}
	path, err := g.readPath(ctx, id)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	switch {
	case g.format == formatJSON:
		return g.json(path)
	case as == "gif":
		err = path.WriteGIF(&b)
	default:
		err = path.WriteMermaid(&b)
	}
	if err != nil {
		return fmt.Errorf("render %s: %w", id, err)
	}
	if out == "" {
		_, err := io.Copy(g.out, &b)
		return err
	}
	if err := os.WriteFile(out, b.Bytes(), 0o600); err != nil {
		return err
	}
	g.note("%s: %d kB", filepath.Clean(out), (b.Len()+1023)/1024)
	return nil
}

// readPath reads what the picture of an alert is made of.
func (g *globals) readPath(ctx context.Context, id string) (path *picture.Path, err error) {
	err = g.readLedger(ctx, func(_ *state.Deployment, t *ledger.Tx) error {
		s, err := readStory(t, id)
		if errors.Is(err, ledger.ErrNotFound) {
			return usage(err, "`winnow ledger export` lists every alert with its id")
		}
		path = picture.New(&picture.Alert{
			Record: s.Record, History: s.History, Fields: s.Fields, Joined: s.Joined, Derived: s.Derived, Advice: adviceLines(s.Advice),
		})
		return err
	})
	return path, err
}

// adviceLines are the pipeline's recommendations, some words each.
func adviceLines(advice json.RawMessage) (out []string) {
	var list []struct{ Kind, Target string }
	if json.Unmarshal(advice, &list) != nil {
		return nil
	}
	for _, a := range list {
		out = append(out, strings.TrimSpace(a.Kind+" "+a.Target))
	}
	return out
}
