package main

import (
	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/rules"
)

func rulesSchemaCommand(g *globals) *cobra.Command {
	var escalate bool
	cmd := &cobra.Command{
		Use: "schema", Short: "print the JSON Schema of rule files, for editors", Args: cobra.NoArgs,
		Long: `Print the JSON Schema (2020-12) of rule files, or of files of the escalate list. An editor with a YAML
language server shows what each key means and what is wrong while you write, when the first line of
the file is "# yaml-language-server: $schema=PATH". The app has both files in default/schema.`,
		Example: `  winnow rules schema > rules.schema.json
  winnow rules schema --escalate > escalate.schema.json`,
		RunE: func(*cobra.Command, []string) error {
			schema := rules.Schema()
			if escalate {
				schema = rules.EscalateSchema()
			}
			_, err := g.out.Write(schema)
			return err
		},
	}
	cmd.Flags().BoolVar(&escalate, "escalate", false, "the schema of the escalate list")
	return cmd
}
