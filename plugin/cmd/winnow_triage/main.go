// Winnow_triage is the alert action that Splunk starts for every triggered alert.
package main

import (
	"os"

	"github.com/winnow-soc/winnow/plugin/alertaction"
)

func main() {
	os.Exit(alertaction.Main(os.Args[1:], alertaction.OSEnv()))
}
