package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/rules"
)

func listsCommand(g *globals) *cobra.Command {
	return group("lists", "check value lists and look values up", `  winnow lists check
  winnow lists lookup vpn_egress 10.8.0.4`,
		&cobra.Command{
			Use: "check", Short: "find what is wrong with the value lists", Args: cobra.NoArgs,
			Long: `Load every value list of the content and say which are good. A list that is missing, empty or has
shrunk by more than [gate] list_shrink since it was last good makes every rule that reads it match
nothing.`,
			Example: `  winnow lists check --content ./content`,
			RunE:    func(*cobra.Command, []string) error { return g.listsCheck() },
		},
		&cobra.Command{
			Use: "lookup LIST VALUE", Short: "say whether a value is in a list", Args: cobra.ExactArgs(2),
			Long: `Look a value up as a rule would: to the letter, and, in a list of networks, an address inside one.
Exits with 1 when it is not in the list.`,
			Example: `  winnow lists lookup vpn_egress 10.8.0.4`,
			RunE:    func(_ *cobra.Command, args []string) error { return g.listsLookup(args[0], args[1]) },
		},
	)
}

// lists loads the content's lists and holds them against the last good ones where there are any.
func (g *globals) lists() (*rules.Lists, []*rules.Error, error) {
	d, err := g.openTools()
	if err != nil {
		return nil, nil, err
	}
	if len(d.ListPaths()) == 0 {
		return nil, nil, usage(fmt.Errorf("no lists folder in the content"), "name the folder above lists/ with --content DIR")
	}
	good, err := rules.ReadGood(d.Path("lists.good.json"))
	if err != nil {
		return nil, nil, err
	}
	lists, err := rules.LoadLists(rules.ListOptions{Folders: d.ListPaths(), Good: good, Shrink: d.Settings.Gate.ListShrink})
	return lists, rules.Errors(err), nil
}

type listRow struct {
	List    string `json:"list"`
	Kind    string `json:"kind"`
	Entries int    `json:"entries"`
	OK      bool   `json:"ok"`
	Problem string `json:"problem"`
	File    string `json:"file"`
}

func (g *globals) listsCheck() error {
	lists, problems, err := g.lists()
	if err != nil {
		return err
	}
	t := &grid{head: []string{"LIST", "KIND", "ENTRIES", "STATE"}, num: map[int]bool{2: true}}
	bad := 0
	for _, name := range lists.Names() {
		l, err := lists.Get(name)
		row := listRow{List: name, Kind: "text", OK: err == nil}
		if l != nil {
			row.Entries, row.File = l.Len(), l.File()
			if l.Networks() {
				row.Kind = "networks"
			}
		}
		state := green.Render("good")
		if err != nil {
			bad++
			row.Problem = err.Error()
			state = red.Render(plain(err.Error()))
		}
		if g.format == formatJSON {
			if err := g.json(row); err != nil {
				return err
			}
		}
		t.rows = append(t.rows, []string{plain(name), row.Kind, fmt.Sprint(row.Entries), state})
	}
	if g.format == formatTable {
		g.text(t)
	}
	if n := max(bad, len(problems)); n > 0 {
		return failed("%d of %s out of order: rules that read them match nothing", n, things(len(t.rows), "list is", "lists are"))
	}
	g.note("%s good", things(len(t.rows), "list is", "lists are"))
	return nil
}

func (g *globals) listsLookup(list, value string) error {
	lists, _, err := g.lists()
	if err != nil {
		return err
	}
	l, err := lists.Get(list)
	if err != nil {
		return usage(err)
	}
	in := l.Contains(value)
	if g.format == formatJSON {
		if err := g.json(map[string]any{"list": list, "value": value, "in": in}); err != nil {
			return err
		}
	}
	if !in {
		return failed("%q is not in %s", value, list)
	}
	if g.format == formatTable {
		g.print("%q is in %s", value, list)
	}
	return nil
}
