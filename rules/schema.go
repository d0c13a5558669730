package rules

import _ "embed"

//go:embed rules.schema.json
var rulesSchema []byte

//go:embed escalate.schema.json
var escalateSchema []byte

// Schema returns the JSON Schema (2020-12) of rule files, for editors. What needs the field table,
// the lists or the clock only [Load] knows.
func Schema() []byte { return rulesSchema }

// EscalateSchema is [Schema] for files of the escalate list.
func EscalateSchema() []byte { return escalateSchema }
