package llm

import "github.com/winnow-soc/winnow"

// Scan is guard G4.
func Scan(a *winnow.Alert, t *winnow.FieldTable) (taint, cut []string) { return nil, nil }
